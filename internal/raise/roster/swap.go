package roster

// SwapState is how far a swap is.
type SwapState string

// The states.
const (
	Asked     SwapState = "asked"
	Accepted  SwapState = "accepted"
	Declined  SwapState = "declined"
	Withdrawn SwapState = "withdrawn"
	Undone    SwapState = "undone"
)
