// Package platform is the foundation of the tower. It knows nothing of crises:
// it stores, runs jobs, carries events, tells the time, names things, turns
// errors into words, translates, and serves pages. Every floor above may use
// every room here; nothing here may look up.
package platform
