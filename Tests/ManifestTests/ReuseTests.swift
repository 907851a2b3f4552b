import Manifest
import Testing

/// Feature sets, parameters and visibility.
struct ReuseTests {
    /// Reads an image of a few files.
    private func image(_ label: String, _ files: [String: String]) throws -> ImageTarget {
        let read = try files.map { try ImageFile($0.value, file: "\($0.key)/IMAGES.yaml", folder: $0.key) }
        let definitions = read.flatMap(\.definitions)
        return try TargetReader { label, _, _ in
            try #require(definitions.first { $0.label == label.plain }, "\(label)")
        }.image(try #require(Label(label)))
    }

    private func message(_ label: String, _ files: [String: String]) -> String? {
        #expect(throws: ManifestError.self) { try image(label, files) }?.description
    }

    @Test func aSetBringsItsFeaturesWithSourcesOfItsOwnFolder() throws {
        let target = try image(
            "//app:a",
            [
                "app": "images: [{name: a, base: scratch, use: ['//org:motd']}]",
                "org": "features: [{name: motd, files: [{path: /etc/motd, source: motd}]}]",
            ])
        #expect(target.features.flatMap(\.sources).map(\.value.folder) == ["org"])
    }

    @Test func aSetThatComesInTwiceCountsOnceAndTheSameThingTwiceIsFine() throws {
        let target = try image(
            "//o:a",
            [
                "o": """
                images: [{name: a, base: scratch, use: [':x', ':y'], directories: [{path: /d}]}]
                features:
                  - {name: x, use: [':z'], directories: [{path: /d}]}
                  - {name: y, use: [':z']}
                  - {name: z, run: [echo], ssh: []}
                """
            ])
        #expect(target.features.count == 2)
    }

    @Test func parametersAreFilledInAndDefaultsAreLeftOutOfTheLabel() throws {
        let files = [
            "o": """
            images:
              - name: a
                base: scratch
                parameters: [{name: port, default: 22}, {name: user, default: web}]
                users: [{name: "${user}", uid: "4${port}"}]
                run: ["echo ${HOME} ${port} $${port}"]
            """
        ]
        let target = try image("//o:a[port=80,user=web]", files)
        #expect(target.label.description == "//o:a[port=80]")
        #expect(target.features.map(\.content) == [user("web", 480), run("echo ${HOME} 80 ${port}")])
        #expect(try image("//o:a", files).label.description == "//o:a")
    }

    private func user(_ name: String, _ uid: Int) -> Feature.Content? {
        try? image("//u:u", ["u": "images: [{name: u, base: scratch, users: [{name: \(name), uid: \(uid)}]}]"]).features[0]
            .content
    }

    private func run(_ script: String) -> Feature.Content? {
        try? image("//r:r", ["r": "images: [{name: r, base: scratch, run: ['\(script)']}]"]).features[0].content
    }

    @Test func wrongUsesOfParametersNameTheirPlace() {
        let files = [
            "o":
                "images:\n  - {name: a, base: scratch, parameters: [p]}\n  - {name: b, base: scratch, use: [':s[x=1]']}\nfeatures:\n  - {name: s}\n"
        ]
        #expect(
            message("//o:a", files)
                == "o/IMAGES.yaml:2:12: //o:a needs a value for 'p' (declared at o/IMAGES.yaml:2:43); write //o:a[p=VALUE]")
        #expect(message("//o:a[q=1]", files) == "o/IMAGES.yaml:2:12: //o:a has no parameter 'q'; it has p")
        #expect(message("//o:b", files) == "o/IMAGES.yaml:3:36: //o:s has no parameter 'x'; it has none")
    }

    @Test func visibilityNamesBothPlaces() throws {
        let files = [
            "app": "images: [{name: a, base: scratch, use: ['//org:s']}]",
            "org":
                "features: [{name: s, visibility: ['//web/...', '//app:b']}]\nimages: [{name: own, base: scratch, use: [':s']}]",
            "web/x": "images: [{name: a, base: scratch, use: ['//org:s']}]",
        ]
        #expect(
            message("//app:a", files)
                == "app/IMAGES.yaml:1:41: //org:s can't be used by //app:a: its visibility, at org/IMAGES.yaml:1:34, doesn't include it"
        )
        _ = try image("//web/x:a", files)
        _ = try image("//org:own", files)
    }

    @Test func setsAndImagesAreNotTakenForEachOther() {
        let files = ["o": "images: [{name: a, base: scratch, use: [':b']}, {name: b, base: scratch}]\nfeatures: [{name: s}]"]
        #expect(
            message("//o:a", files)
                == "o/IMAGES.yaml:1:41: //o:b, defined at o/IMAGES.yaml:1:56, is an image, not a feature set; make it the 'parent'"
        )
        #expect(
            message("//o:s", files)
                == "o/IMAGES.yaml:2:19: //o:s, defined at o/IMAGES.yaml:2:19, is a feature set, not an image; put it under 'use'")
    }

    @Test func setsThatSayDifferentThingsAreBothNamed() {
        let files = [
            "o": """
            images:
              - name: a
                base: scratch
                use: [':s']
                task: {environment: {A: x}, user: root}
            features:
              - name: s
                task:
                  environment: {A: y}
            """
        ]
        #expect(
            message("//o:a", files)
                == "o/IMAGES.yaml:9:24: the environment variable A is provided twice and differently; the first time at o/IMAGES.yaml:5:29"
        )
    }

    @Test func aParentThatMayNotBeUsedNamesBothPlaces() throws {
        let file = try ImageFile(
            "images: [{name: base, base: scratch, visibility: ['//org/...']}]", file: "os/IMAGES.yaml", folder: "os")
        let error = #expect(throws: ManifestError.self) {
            try TargetReader { _, _, _ in file.definitions[0] }.image(
                #require(Label("//os:base")),
                for: (#require(Label("//web:app")), ManifestError.Place(file: "web/IMAGES.yaml", line: 3, column: 13)))
        }
        #expect(
            error?.description
                == "web/IMAGES.yaml:3:13: //os:base can't be used by //web:app: its visibility, at os/IMAGES.yaml:1:50, doesn't include it"
        )
    }

    @Test func setsThatUseEachOtherAreShownWhole() {
        let files = [
            "o": "images: [{name: a, base: scratch, use: [':s']}]\nfeatures: [{name: s, use: [':t']}, {name: t, use: [':s']}]"
        ]
        #expect(message("//o:a", files) == "o/IMAGES.yaml:2:52: the feature sets use each other: //o:s -> //o:t -> //o:s")
    }
}
