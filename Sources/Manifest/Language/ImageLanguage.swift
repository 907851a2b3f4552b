/// The language of `IMAGES.yaml`: what a file may hold.
enum ImageLanguage {
    static let file = MappingSchema(
        "the file", title: "The file",
        [
            KeySchema("images", .list(of: .mapping(image)), default: "none", "Images."),
            KeySchema("features", .list(of: .mapping(featureSet)), default: "none", "Named sets of features, for images to use."),
        ])

    private static let use = KeySchema(
        "use", .list(of: .text(.label)), default: "none", "Feature sets whose features belong to it too, by label.")

    static let featureSet = MappingSchema(
        "a feature set", title: "features",
        [
            KeySchema("name", .text(.plainName), required: true, "The last part of its label, `//folder:name`."),
            Parameters.key, Visibility.key, use,
        ] + FeatureKeys.all)

    static let image = MappingSchema(
        "an image", title: "images", oneOf: [["parent", "base"]],
        [
            KeySchema("name", .text(.plainName), required: true, "The last part of its label, `//folder:name`."),
            KeySchema("parent", .text(.label), "The image it stands on."), Base.key, Parameters.key, Visibility.key, use,
            KeySchema(
                "size_budget", .text(.size), default: "none",
                "How many bytes all files of the image may have, those of its parents included. A larger image is an error."),
        ] + FeatureKeys.all + [ImageTest.key])
}
