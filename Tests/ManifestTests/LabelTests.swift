import Manifest
import Testing

@Suite struct LabelTests {
    @Test(arguments: [
        ("//web:app", "web", "app"), ("//:app", "", "app"), ("//a/b-c/d_e.f:x.1", "a/b-c/d_e.f", "x.1"),
    ])
    func aLabelIsRead(_ text: String, _ folder: String, _ name: String) {
        let label = Label(text)
        #expect(label == Label(folder: folder, name: name))
        #expect(label?.description == text)
    }

    @Test func aShortLabelMeansAnImageOfTheSameFile() {
        #expect(Label(":app", in: "web") == Label("//web:app"))
        #expect(Label(":app", in: "") == Label("//:app"))
        #expect(Label(":app") == nil)
    }

    @Test(arguments: [
        "", ":", "//", "//web", "//web:", "web:app", "/web:app", "///web:app", "//web/:app", "//a//b:c", "//..:a", "//a/../b:c",
        "//a/.:c", "//a:..", "//a:b c", "//ä:b", "//a:b/c", "//a:b\n", "//a\0:b", "//a/\u{338}b:c",
        "//a:" + String(repeating: "n", count: 101),
    ])
    func whatIsNoLabelIsRefused(_ text: String) {
        #expect(Label(text, in: "folder") == nil)
    }

    @Test func labelsAreOrderedByFolderThenName() {
        let labels = ["//b:a", "//:z", "//a/b:a", "//a:b", "//a:a"].compactMap { Label($0) }
        #expect(labels.sorted().map(\.description) == ["//:z", "//a:a", "//a:b", "//a/b:a", "//b:a"])
    }
}
