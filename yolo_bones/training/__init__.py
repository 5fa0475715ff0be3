"""What happens around training; with `detector` the only room that imports torch and ultralytics."""
