package app

import "context"

// Demo is Serve with an invented town and simulated ways out.
func (Commands) Demo(ctx context.Context, s Settings) error {
	o := s.options()
	o.Simulated = true
	return serve(ctx, s, o, nil)
}
