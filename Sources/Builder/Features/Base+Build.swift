import Glibc
import Layers
import Linux
import Manifest

extension ImageBuild {
    /// What an image without a parent starts from; a Debian's packages come afterwards.
    func makeBase(in root: String) async throws {
        guard case .base(let base) = target.origin else { return }
        _ = try await blocking { try retryingInterrupts("set mode of", root) { chmod(root, 0o755) } }
        do {
            switch base {
            case .debian, .scratch: break
            case .tarball(let base):
                step("unpack \(base.source.value.path)")
                note(try await Archive(inputs.path(of: base.source.value)).unpack(into: root, keepingOwners: true))
            case .oci(let base):
                guard let image = inputs.ociImage else { return }
                for (index, layer) in image.layers.enumerated() {
                    step("apply layer \(index + 1) of \(image.layers.count) of \(base.layout.value.path)")
                    note(try await image.apply(layer, to: root))
                }
                try await blocking {
                    try RootDirectory(root).write(ImageConfiguration.path, image.configuration.encoded(), mode: 0o644)
                }
            }
        } catch let error as BuildError where error.code == .path {
            throw ManifestError(target.place, "\(error)")
        }
    }

    /// Says which device nodes something didn't bring.
    func note(_ leftOut: LeftOutNodes) {
        if !leftOut.isEmpty { step("\(leftOut)") }
    }
}
