// Package town is the first floor: what stands before any crisis. Who belongs
// to the town and what they may do, what was done, what is secret, which
// services the town runs, whom it talks to and over which ways.
package town
