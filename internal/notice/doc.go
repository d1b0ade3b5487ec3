// Package notice is the second floor: what we see.
//
// Its rooms look at the town's services and listen to what others report, and
// they turn what they saw into signals. They decide whether something is down,
// never who is woken for it: that is the floor above.
package notice
