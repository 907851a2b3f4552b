import Manifest
import Testing

@testable import Builder

/// What ldd(1) says of programs.
@Suite struct SharedLibrariesTests {
    private let place = ManifestError.Place(file: "f", line: 1, column: 2)

    @Test func librariesAndTheLoaderAreFound() throws {
        let text = """
            \tlinux-vdso.so.1 (0x00007ffd4a5f2000)
            \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f3d1e000000)
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f3d1e2a4000)
            \tnot a dynamic executable
            """
        #expect(
            try SharedLibraries.parse(text, at: place) == ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"])
    }

    @Test func aLibraryThatIsMissingIsNamed() {
        let error = #expect(throws: ManifestError.self) {
            try SharedLibraries.parse("\tlibgone.so.1 => not found\n", at: place)
        }
        #expect(error?.description == "f:1:2: the library libgone.so.1 is not found in the image it is taken from")
    }
}
