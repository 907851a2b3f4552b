import AgentAPI
import Spec

/// The API for programs that know no Butterdish: OpenAPI 3.1.
enum OpenAPIDocument {
    static var json: JSONValue {
        var paths: [String: JSONValue] = [:]
        for operation in APIDescription.operations {
            var methods: [String: JSONValue] = [:]
            if case .object(let known)? = paths[operation.path] { methods = known }
            methods[operation.method.rawValue] = Self.operation(operation)
            paths[operation.path] = .object(methods)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Butterdish agent", "version": .text(AgentDefaults.version),
                "description": .text(about), "license": ["name": "Apache License 2.0", "identifier": "Apache-2.0"],
            ],
            "servers": [["url": "/"]],
            "paths": .object(paths),
            "components": ["schemas": .object(APIDescription.objects.mapValues(\.json))],
        ]
    }

    private static let about = """
        HTTP and JSON on the Unix socket of dishd, or over TCP with client certificates. `x-role` is what a certificate must \
        allow: read, operate or admin, each with what those before it may. A GET is answered with an ETag.
        """

    private static func operation(_ operation: APIOperation) -> JSONValue {
        var responses: [String: JSONValue] = ["\(operation.status)": success(operation)]
        for status in operation.errors {
            responses["\(status)"] = [
                "description": .text(meanings[status] ?? "It failed."),
                "content": ["application/json": ["schema": APISchema.object(.error).json]],
            ]
        }
        if operation.kind != nil {
            let status = APISchema.object(.operationStatus).json
            if operation.status == 202 { responses["200"] = success(operation) }
            responses["202"] = [
                "description": "It is under way; where `Prefer` asked for that, `Location` is the operation's path.",
                "headers": ["Location": ["schema": ["type": "string"]]],
                "content": [
                    "application/json": [
                        "schema": operation.status == 202 ? ["anyOf": [operation.answer.json, status]] : status
                    ]
                ],
            ]
        }
        if operation.isTagged { responses["304"] = ["description": "It is as `If-None-Match` says."] }
        var object: [String: JSONValue] = [
            "operationId": .text(identifier(operation)), "summary": .text(operation.summary),
            "x-role": .text(operation.role.rawValue), "responses": .object(responses),
        ]
        let parameters = parameters(operation)
        if !parameters.isEmpty { object["parameters"] = .list(parameters) }
        if let body = operation.body {
            object["requestBody"] = [
                "required": true, "content": ["application/json": ["schema": APISchema.object(body).json]],
            ]
        }
        return .object(object)
    }

    private static func success(_ operation: APIOperation) -> JSONValue {
        var response: [String: JSONValue] = [
            "description": .text(operation.isStream ? "Lines of JSON, each like this." : "Done.")
        ]
        // A schema would be one of the whole body.
        response["content"] =
            operation.isStream
            ? ["application/x-ndjson": ["itemSchema": operation.answer.json]]
            : .object(
                Dictionary(uniqueKeysWithValues: operation.mediaTypes.map { ($0, ["schema": operation.answer.json]) }))
        return .object(response)
    }

    private static func parameters(_ operation: APIOperation) -> [JSONValue] {
        var list: [JSONValue] = operation.pathParameters.map { name in
            [
                "name": .text(name), "in": "path", "required": true,
                "schema": ["type": "string", "minLength": 1, "maxLength": 200],
            ]
        }
        list += operation.query.map { field in
            [
                "name": .text(field.name), "in": "query", "required": .boolean(field.isRequired),
                "description": .text(field.about), "schema": field.schema.json,
            ]
        }
        list += operation.headers.map { header in
            [
                "name": .text(header.name), "in": "header", "required": false, "description": .text(header.about),
                "schema": ["type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~][ -~]*$"],
            ]
        }
        return list
    }

    /// Like `getV1TasksName`.
    private static func identifier(_ operation: APIOperation) -> String {
        let words = operation.path.split { !$0.isLetter && !$0.isNumber }
        return operation.method.rawValue + words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    private static let meanings = [
        400: "The request makes no sense.", 403: "The certificate's role doesn't allow it.", 404: "There is no such thing.",
        409: "It conflicts with what is there, or doesn't fit.", 412: "It has changed since.",
        413: "The body is too large.", 415: "The body is no JSON.", 422: "The host can't enforce a limit.",
        500: "Something on the host failed.", 507: "It can't be written down, so nothing was done.",
    ]
}

extension APIOperation {
    /// Whether its answer has an ETag.
    var isTagged: Bool { method == .get && !isStream }
}
