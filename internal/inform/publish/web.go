package publish

import "tuermer/internal/platform/web"

// Routes adds this room's pages.
func (r *Room) Routes(s *web.Site) {}
