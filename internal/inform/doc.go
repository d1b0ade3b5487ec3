// Package inform is the fifth floor of the tower: what we say. When something
// has been noticed, somebody has been woken and the work is coordinated, the
// rooms here turn one set of facts into texts that people read: prepared texts
// with slots (template), statements that are drafted, approved and sent
// (publish), and the pages on which they stand (statuspage).
//
// The floor looks down to incidents, alerts and the town's services; nothing
// below knows that it exists.
package inform
