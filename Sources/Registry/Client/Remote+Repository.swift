import Linux
public import OCI
import Synchronization

extension Remote: Repository {
    public nonisolated var name: String { reference.name }

    public func manifest(_ reference: String) async throws -> (descriptor: Descriptor, bytes: [UInt8])? {
        let accept = [("Accept", MediaType.manifests.joined(separator: ", "))]
        let what = "read the manifest '\(reference)' of \(name)"
        let response = try await send("GET", "manifests/\(reference)", headers: accept)
        if response.head.status == 404 { return nil }
        guard response.head.isSuccess else { throw failure(response, what) }
        guard response.body.count <= OCIJSON.limit else {
            throw RegistryError(.damaged, "\(what): it has \(response.body.count) bytes; manifests have 4 MiB at most")
        }
        let said = response.head["Content-Type"].map { String($0.prefix { $0 != ";" && $0 != " " }).lowercased() }
        let type = try ManifestShape.mediaType(of: response.body, said: said, "the manifest '\(reference)' of \(name)")
        let descriptor = Descriptor(mediaType: type, of: response.body)
        // Under a digest, nothing else than what has it.
        if reference.hasPrefix("sha256:"), descriptor.digest.description != reference {
            throw RegistryError(.damaged, "\(what): what came has the digest \(descriptor.digest)")
        }
        return (descriptor, response.body)
    }

    public func bytes(of blob: Descriptor) async throws -> [UInt8] {
        let response = try await send("GET", "blobs/\(blob.digest)")
        guard response.head.isSuccess else { throw failure(response, "fetch the blob \(blob.digest.short) of \(name)") }
        return response.body
    }

    public func has(_ blob: BlobDigest) async throws -> Bool {
        let response = try await send("HEAD", "blobs/\(blob)")
        if response.head.status == 404 { return false }
        guard response.head.isSuccess else { throw failure(response, "look for the blob \(blob.short) in \(name)") }
        return true
    }

    public func mount(_ blob: BlobDigest, from repository: String) async throws -> Bool {
        guard repository.hasPrefix(reference.host + "/"), repository != name else { return false }
        let from = String(repository.dropFirst(reference.host.utf8.count + 1))
        let response = try await send(
            "POST", "blobs/uploads/?mount=\(urlEncoded(blob.description))&from=\(urlEncoded(from))", body: .bytes([]))
        if response.head.status == 201 { return true }
        // A registry that can't do it, or may not tell, begins an upload instead.
        if response.head.status == 202, let location = response.head["Location"] { _ = try? await send("DELETE", location) }
        return false
    }

    public func fetch(
        _ blob: Descriptor, into cache: BlobCache, progress: @escaping @Sendable (Int) -> Void
    ) async throws -> String {
        let lock = try await cache.lock(blob.digest)
        defer { _ = lock }
        let path = cache.path(of: blob.digest)
        if Files.exists(path) {
            progress(Int(blob.size))
            return path
        }
        let partial = try await blocking { try PartialBlob(blob, in: cache) }
        progress(Int(partial.count))
        var (attempt, isSecondTry) = (1, false)
        while true {
            do {
                if !partial.isWhole || blob.size == 0 { try await fetchRest(of: blob, partial, progress) }
                guard partial.isWhole else {
                    throw RegistryError(
                        .unreachable, "the blob \(blob.digest.short) ended after \(partial.count) of \(blob.size) bytes")
                }
                if try await blocking({ try partial.finish() }) { return path }
                guard !isSecondTry else {
                    throw RegistryError(
                        .damaged,
                        "the blob \(blob.digest) of \(name) came twice with other bytes than its digest says; the registry is damaged, or somebody changes what it sends"
                    )
                }
                isSecondTry = true
            } catch let error as RegistryError where error.code == .damaged && !isSecondTry {
                // What an earlier process left may be what is wrong.
                isSecondTry = true
                try partial.restart()
            } catch let error as RegistryError where error.code == .unreachable {
                guard attempt < attempts else { throw RegistryError(error.code, "fetch the blob \(blob.digest.short): \(error)") }
                try await pause(after: attempt)
                attempt += 1
            }
        }
    }

    /// One attempt, from where the last one ended.
    private func fetchRest(
        of blob: Descriptor, _ partial: PartialBlob, _ progress: @escaping @Sendable (Int) -> Void
    ) async throws {
        let from = partial.count
        let headers = from > 0 ? [("Range", "bytes=\(from)-")] : []
        let isFirst = Mutex(true)
        let response = try await send("GET", "blobs/\(blob.digest)", headers: headers) { head, bytes in
            let starts = isFirst.withLock { first in
                defer { first = false }
                return first
            }
            if starts, from > 0 {
                if head.status == 206 {
                    guard head["Content-Range"]?.hasPrefix("bytes \(from)-") == true else {
                        throw RegistryError(
                            .damaged,
                            "asked for the bytes from \(from) on, the registry sent '\(head["Content-Range"] ?? "no range")'")
                    }
                } else {
                    try partial.restart()
                    progress(-Int(from))
                }
            }
            try partial.append(bytes)
            progress(bytes.count)
        }
        if response.head.status == 416 {
            try partial.restart()
            throw RegistryError(.unreachable, "the registry has no bytes from \(from) on")
        }
        guard response.head.isSuccess else {
            guard HTTPClient.isWorthAnother(response.head.status) else {
                throw failure(response, "fetch the blob \(blob.digest.short) of \(name)")
            }
            throw RegistryError(.unreachable, "\(reference.host) answered HTTP \(response.head.status)")
        }
    }

    public func store(
        _ blob: Descriptor, from file: String, progress: @escaping @Sendable (Int) -> Void
    ) async throws {
        if try await has(blob.digest) { return progress(Int(blob.size)) }
        let what = "store the blob \(blob.digest.short) in \(name)"
        var location = try await beginUpload(what)
        // Sent in one piece; what breaks off goes on from where the registry says it is.
        var (attempt, from) = (1, UInt64(0))
        while from < blob.size || attempt == 1 {
            let body = blob.size == 0 ? HTTPRequest.Body.bytes([]) : .file(path: file, from: from)
            var headers = [("Content-Type", "application/octet-stream")]
            if blob.size > 0 { headers.append(("Content-Range", "\(from)-\(blob.size - 1)")) }
            do {
                let response = try await sendOnce("PATCH", location, body: body, headers: headers)
                if response.head.isSuccess {
                    location = response.head["Location"] ?? location
                    break
                }
                guard HTTPClient.isWorthAnother(response.head.status) || response.head.status == 416, attempt < attempts else {
                    throw failure(response, what)
                }
            } catch let error as RegistryError where error.code == .unreachable {
                if attempt >= attempts { throw RegistryError(error.code, "\(what): \(error)") }
            }
            try await pause(after: attempt)
            attempt += 1
            let status = try await send("GET", location)
            if status.head.isSuccess {
                location = status.head["Location"] ?? location
                // "0-9" says that ten bytes are there, and so that none are.
                let end = status.head["Range"]?.split(separator: "-").last.flatMap { UInt64($0) } ?? 0
                from = end > 0 ? end + 1 : 0
            } else {
                // Registries give an upload up when they are asked for it by a location that is older than their last answer, which was
                // lost; or they forgot it when they were started again.
                location = try await beginUpload(what)
                from = 0
            }
        }
        let target = location + (location.contains("?") ? "&" : "?") + "digest=\(urlEncoded(blob.digest.description))"
        let finished = try await send("PUT", target, body: .bytes([]), headers: [("Content-Type", "application/octet-stream")])
        // The answer to the first attempt may have been lost.
        if !finished.head.isSuccess, try await !has(blob.digest) { throw failure(finished, what) }
        progress(Int(blob.size))
    }

    private func beginUpload(_ what: String) async throws -> String {
        let response = try await send("POST", "blobs/uploads/", body: .bytes([]))
        guard response.head.status == 202, let location = response.head["Location"] else { throw failure(response, what) }
        return location
    }

    /// Without other attempts than ours, which begin elsewhere in the file.
    private func sendOnce(
        _ method: String, _ path: String, body: HTTPRequest.Body, headers: [(String, String)]
    ) async throws -> HTTPResponse {
        // A request with a sink is made once.
        try await send(method, path, body: body, headers: headers) { _, _ in }
    }

    public func store(manifest bytes: [UInt8], mediaType: String, tag: String?) async throws {
        let reference = tag ?? BlobDigest(of: bytes).description
        let response = try await send(
            "PUT", "manifests/\(reference)", body: .bytes(bytes), headers: [("Content-Type", mediaType)])
        guard response.head.isSuccess else { throw failure(response, "store the manifest '\(reference)' in \(name)") }
    }

    /// Whether the registry has the API of distribution-spec 1.1.
    func listsReferrers(of digest: BlobDigest) async throws -> Bool {
        try await send("GET", "referrers/\(digest)").head.isSuccess
    }

    /// The most pages and entries of a list that are read: no registry has so many of one manifest.
    private static var mostPages: Int { 1000 }
    private static var mostReferrers: Int { 20_000 }

    public func referrers(of digest: BlobDigest, artifactType: String) async throws -> [Descriptor] {
        var found: [Descriptor] = []
        let what = "the referrers of \(digest) in \(name)"
        var next: String? = "referrers/\(digest)?artifactType=\(urlEncoded(artifactType))"
        var seen: Set<String> = []
        while let page = next {
            // A list that leads back to where it was has no end.
            guard seen.insert(page).inserted, seen.count <= Self.mostPages, found.count <= Self.mostReferrers else {
                throw RegistryError(
                    .damaged,
                    "\(what): the list has no end, or more than \(Self.mostPages) pages or \(Self.mostReferrers) entries")
            }
            let response = try await send("GET", page)
            switch response.head.status {
            case 200: found += try OCIJSON.decode(Index.self, response.body, what).manifests
            case 404 where seen.count == 1:
                found = try await listedReferrers(of: digest)
                next = nil
                continue
            default: throw failure(response, "list the referrers of \(digest.short)")
            }
            next = try nextPage(response, what)
        }
        return found.filter { $0.artifactType == artifactType }
    }

    /// The address at which a list goes on (RFC 8288, distribution-spec "Listing Referrers"): an absolute URL; nil at its end.
    private func nextPage(_ response: HTTPResponse, _ what: String) throws -> String? {
        guard let link = response.head.all("Link").lazy.compactMap({ HTTPLink.next($0) }).first else { return nil }
        let url = HTTPLink.resolve(link, against: response.url)
        guard HTTPRequest.origin(of: url) == HTTPRequest.origin(of: response.url) else {
            throw RegistryError(.refused, "\(what) go on at '\(url)', which is another host; nothing was asked there")
        }
        return url
    }
}
