// Package web serves pages: routing with handlers that return errors, the
// staff layout and its components, forms that keep what was typed, live
// changes by server-sent events, security headers, and the frame for the API.
//
// A room writes
//
//	func (r *Room) Routes(s *web.Site) {
//		s.Handle("GET /alert/{id}", r.pageAlert)
//		s.Handle("POST /alert/{id}/acknowledge", r.postAcknowledge)
//	}
//
// Its handlers read the input, call one method of the room, and render a templ
// component inside [Page] with [Render], or answer [SeeOther]. Whatever goes
// wrong is returned as an error; [Site] turns it into a page or JSON with the
// words of package fault, in one place. Input that is refused is shown again by
// the handler itself with [Form] and status 422.
//
// Pages work without JavaScript. With it, a region that ages carries
// id and [Live]: when a hint arrives on the page's one event stream, the region
// fetches the page again and morphs itself in place, so nothing jumps.
package web
