package main

import "tuermer/internal/app"

// wire returns the application that the commands act on.
func wire() application { return app.Commands{} }
