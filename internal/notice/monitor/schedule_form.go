package monitor

import "reflect"

// form is a spec in the memory of the engine: what names the one target, and
// beside it all the rest, which thousands of monitors may share.
type form struct {
	spec *Spec // without URL, Host and Port; nobody changes it any more
	url  string
	name string // Host
	port int
}

// whole is the spec as its owner wrote it.
func (f *form) whole() Spec {
	s := *f.spec
	s.URL, s.Host, s.Port = f.url, f.name, f.port
	return s
}

// maxForms is how many different specs are offered for sharing. Whoever finds
// none of them equal keeps a copy of its own.
const maxForms = 32

// forms are the specs that were taken over last. Not safe for concurrent use.
type forms struct {
	known []*Spec
	next  int // which is given up for a new one
}

// of takes a spec apart, and shares the rest of it with an equal one.
func (k *forms) of(s Spec) form {
	f := form{url: s.URL, name: s.Host, port: s.Port}
	s.URL, s.Host, s.Port = "", "", 0
	for _, known := range k.known {
		if known.Kind == s.Kind && known.Interval == s.Interval && reflect.DeepEqual(*known, s) {
			f.spec = known
			return f
		}
	}
	f.spec = &s
	if len(k.known) < maxForms {
		k.known = append(k.known, f.spec)
		return f
	}
	k.known[k.next] = f.spec
	k.next = (k.next + 1) % maxForms
	return f
}
