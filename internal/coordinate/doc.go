// Package coordinate is the fourth floor: how we work together once somebody
// is awake. One incident, its facts, its journal, its phases.
package coordinate
