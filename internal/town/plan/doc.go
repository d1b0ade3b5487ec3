// Package plan is what the town decided before the crisis: its audiences, who
// looks after each, how often each is told, and to which addresses.
//
// The scenario matrix, the contact register and the printed plan join here
// later. The room stores no statement and sends nothing.
package plan
