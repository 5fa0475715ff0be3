"""What a data set of annotated hands is like, in numbers; the pictures of them are `yolo_bones.figures`."""
