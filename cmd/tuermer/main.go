// Command tuermer is crisis communication for towns, in one binary: it notices
// that a service died, wakes whoever must know, and helps to tell the others.
//
// This package knows flags, variables, signals and exit codes, nothing more;
// everything that happens is in internal/app. The scenarios in testdata are
// the best place to see what the program does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a slim machine has no zone files, and a Frist needs them
)

// version is set by the linker, see the Makefile.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; a second one ends at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, wire())
	stop()
	os.Exit(code)
}
