// Package service is the catalogue of what the town offers or needs: each
// [Service] with its name in all the forms that a text wants, the person
// responsible, what it depends on, what people can do instead (Ersatzweg), and
// how far its public Zustand may follow the monitors.
//
// What a message at 3 a.m. needs is asked for when the service is saved
// ([Service.Check]). The room stores nothing about whether a service works
// right now; that is told by signals, one floor up.
package service
