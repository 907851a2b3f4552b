/// Media types of image-spec 1.1 and of Docker's older names for the same.
public enum MediaType {
    public static let manifest = "application/vnd.oci.image.manifest.v1+json"
    public static let index = "application/vnd.oci.image.index.v1+json"
    public static let config = "application/vnd.oci.image.config.v1+json"
    public static let layer = "application/vnd.oci.image.layer.v1.tar"
    public static let gzipLayer = "application/vnd.oci.image.layer.v1.tar+gzip"
    public static let zstdLayer = "application/vnd.oci.image.layer.v1.tar+zstd"
    /// The config of what isn't an image: `{}`.
    public static let empty = "application/vnd.oci.empty.v1+json"
    public static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
    public static let dockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json"

    /// All that a manifest may be.
    public static let manifests = [manifest, index, dockerManifest, dockerIndex]

    static func isIndex(_ type: String?) -> Bool { type == index || type == dockerIndex }
}
