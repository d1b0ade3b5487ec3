// Package desk shows what several rooms know on one page: the Lagebild, the way
// from an alarm to the first public message, the Einsatzraum of an incident,
// and the frame around every page of the console. It stores nothing and decides
// nothing; it asks rooms and calls their methods.
package desk
