package intake

// Sweep finds what is silent at a moment, and forgets.
var Sweep = (*Room).sweep
