import Spec
import Testing

@testable import Layers

@Suite struct VolumeNameTests {
    @Test(arguments: ["data", "a", "9", "web.db-1_x", String(repeating: "a", count: 63)]) func aPlainNameIsTaken(_ name: String) {
        #expect(Volume.isName(name))
    }

    @Test(arguments: [
        "", ".", "..", ".x", "-x", "_x", "a/b", "a b", "a\n", "a:b", "a@b", "ü", "a\0", String(repeating: "a", count: 64),
    ])
    func whatCouldBeSomethingElseIsRefused(_ name: String) {
        #expect(!Volume.isName(name))
    }

    @Test func placesInTasksAreUnderstood() throws {
        #expect(try VolumeMount(parsing: "data:/srv/data") == VolumeMount(volume: "data", path: "/srv/data", readOnly: false))
        #expect(try VolumeMount(parsing: "data:/srv//data/:ro") == VolumeMount(volume: "data", path: "/srv/data", readOnly: true))
        #expect(try VolumeMount(parsing: "data:/x:rw") == VolumeMount(volume: "data", path: "/x", readOnly: false))
        for text in [
            "data", "data:", ":/x", "data:x", "data:/", "data:/a/../b", "data:/./a", "data:/x:", "data:/x:ro:ro", "a/b:/x",
            "data:/a\nb",
        ] {
            #expect((try? VolumeMount(parsing: text)) == nil, "\(text)")
        }
    }
}
