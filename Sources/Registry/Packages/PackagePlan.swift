import Layers
import OCI

/// What has to be fetched to have all layers of a package: the cheapest way for each, from the base up.
struct PackagePlan: Sendable, Equatable {
    struct Step: Sendable, Equatable {
        enum Source: Sendable, Equatable {
            /// The layer's own stream.
            case stream(Descriptor)
            /// A delta's manifest.
            case delta(BlobDigest)
        }

        /// Which layer of the package.
        let index: Int
        /// What the stream is against.
        let base: LayerID?
        let source: Source
        let size: UInt64
    }

    let steps: [Step]

    /// - Parameters:
    ///   - layers: with their blobs, base first.
    ///   - deltas: descriptors of the package's deltas.
    ///   - isPresent: whether the pool has a layer.
    init(_ layers: [(id: LayerID, blob: Descriptor)], deltas: [Descriptor], isPresent: (LayerID) throws -> Bool) rethrows {
        var steps: [Step] = []
        for (index, layer) in layers.enumerated() where try !isPresent(layer.id) {
            let base = index > 0 ? layers[index - 1].id : nil
            var best = Step(index: index, base: base, source: .stream(layer.blob), size: layer.blob.size)
            for delta in deltas {
                guard let values = delta.annotations, values[Package.toAnnotation] == layer.id.hex,
                    let from = values[Package.fromAnnotation].flatMap({ LayerID($0) }),
                    let size = values[Package.sizeAnnotation].flatMap({ UInt64($0) }), size < best.size, try isPresent(from)
                else { continue }
                best = Step(index: index, base: from, source: .delta(delta.digest), size: size)
            }
            steps.append(best)
        }
        self.steps = steps
    }

    var bytes: UInt64 { steps.reduce(0) { $0 + $1.size } }
}
