// Package raise is the third floor: whom we wake. A signal from the floor
// below becomes an alert here, and an alert becomes a person who acts.
package raise
