"""Pictures of numbers: the only room that imports matplotlib. Each figure is drawn from a record of `exploration`."""
