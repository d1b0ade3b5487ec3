package main

// wire returns the application that the commands act on.
func wire() application { return nil }
