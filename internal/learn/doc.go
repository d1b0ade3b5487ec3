// Package learn is the sixth floor of the tower: what we take from it. When
// everybody knows that it is over, the rooms here put the figures beside each
// other, hear how it was for those who waited, and keep what is to become
// better until somebody has done it.
//
// The floor looks down to everything and changes nothing of what happened.
package learn
