"""The only room, with `training`, that imports torch and ultralytics.

Import its modules, not this package, to use them.
"""
