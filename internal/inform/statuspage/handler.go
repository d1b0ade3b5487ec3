package statuspage

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// site is what the handler sees: all towns, replaced as a whole.
type site struct {
	towns  map[ident.Tenant]*pages
	byHost map[string]*pages
	only   *pages // the only town answers to every name
}

func newSite(towns map[ident.Tenant]*pages) *site {
	s := &site{towns: towns, byHost: map[string]*pages{}}
	for _, p := range towns {
		for _, h := range p.model.Town.Hosts {
			s.byHost[strings.ToLower(h)] = p
		}
		if u, err := url.Parse(p.model.Town.URL); err == nil && u.Hostname() != "" {
			s.byHost[strings.ToLower(u.Hostname())] = p
		}
		s.only = p
	}
	if len(towns) > 1 {
		s.only = nil
	}
	return s
}

// of finds the town for a Host header.
func (s *site) of(host string) *pages {
	if s.only != nil {
		return s.only
	}
	if p, ok := s.byHost[host]; ok {
		return p
	}
	// Without port, brackets and the dot at the end, in lower case.
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.Contains(host[at:], "]") {
		host = host[:at]
	}
	host = strings.Trim(strings.ToLower(host), "[]")
	return s.byHost[strings.TrimSuffix(host, ".")]
}

// Lookup finds the document for a GET of path (without query) at host. It takes
// no lock and allocates nothing: it is the way in for a listener that does not
// use net/http. False: [Room.Handler] has to answer.
func (r *Room) Lookup(host, path string) (*Document, bool) {
	p := r.site.Load().of(host)
	if p == nil {
		return nil, false
	}
	d, ok := p.docs[path]
	return d, ok
}

var (
	policy      = []string{web.Policy}
	nosniff     = []string{"nosniff"}
	referrer    = []string{"same-origin"}
	permissions = []string{"geolocation=(), camera=(), microphone=()"}
)

// maxQuery bounds what somebody searches for, in bytes of the query string.
const maxQuery = 1000

// Handler is the whole public listener. It knows no session and sets no cookie.
// Pages come from memory; only a [Guest] and what [Room.AddPrograms] hangs in may
// ask the database.
func (r *Room) Handler() http.Handler {
	soon, unknown := builtIn(), nobody()
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		h["Content-Security-Policy"] = policy
		h["X-Content-Type-Options"] = nosniff
		h["Referrer-Policy"] = referrer
		h["Permissions-Policy"] = permissions
		h["Cross-Origin-Opener-Policy"] = sameOrigin
		h["Cross-Origin-Resource-Policy"] = sameOrigin
		if p := r.site.Load().of(req.Host); p != nil && (r.guest(w, req, p) || r.program(w, req, p)) {
			return
		}
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			h.Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		path := req.URL.Path
		if d, ok := r.assets.docs[path]; ok {
			d.serve(w, req)
			return
		}
		s := r.site.Load()
		p := s.of(req.Host)
		switch {
		case len(s.towns) == 0:
			h.Set("Retry-After", "60")
			soon.serve(w, req)
			return
		case p == nil:
			unknown.serve(w, req)
			return
		}
		d, ok := p.docs[path]
		if !ok {
			r.missing(w, req, p, path)
			return
		}
		if req.URL.RawQuery != "" && len(req.URL.RawQuery) <= maxQuery {
			q := req.URL.Query()
			if other, asked := d.alt[i18n.Lang(q.Get("lang"))]; asked {
				if found, ok := p.docs[other]; ok {
					d = found
				}
			}
			if word := q.Get("q"); word != "" && p.isArchive(d) {
				r.find(w, req, p, d, word)
				return
			}
		}
		d.serve(w, req)
	})
}

// missing says that there is no such page, in the language of the address.
func (r *Room) missing(w http.ResponseWriter, req *http.Request, p *pages, path string) {
	if d, ok := r.assets.any(path); ok {
		d.serve(w, req)
		return
	}
	lang := p.model.home()
	for _, l := range i18n.Langs() {
		if prefix := p.model.href(l, ""); prefix != "/" && strings.HasPrefix(path, prefix) {
			lang = l
		}
	}
	p.missing[lang].serve(w, req)
}

// archive is the search: the stories of 90 days and their words, folded.
type archive struct {
	v     view
	hits  []found
	words []string
}

func newArchive(v *view) *archive {
	a := &archive{v: *v}
	a.v.path = "archiv"
	for _, s := range v.m.archived(v.now) {
		var b strings.Builder
		for _, m := range s.Messages {
			for _, w := range m.Words {
				b.WriteString(w.Title + "\n" + w.Body + "\n")
			}
		}
		a.hits = append(a.hits, found{Story: s, Month: v.month(s)})
		a.words = append(a.words, fold(b.String()))
	}
	return a
}

// maxWords bounds one search.
const maxWords = 8

// find lists the stories in which every word of the query occurs; an empty query
// finds all. The first of each month carries the heading.
func (a *archive) find(query string) []found {
	words := strings.Fields(fold(query))
	words = words[:min(len(words), maxWords)]
	out := []found{}
	month := ""
next:
	for i, h := range a.hits {
		for _, w := range words {
			if !strings.Contains(a.words[i], w) {
				continue next
			}
		}
		if h.Month == month {
			h.Month = ""
		} else {
			month = h.Month
		}
		out = append(out, h)
	}
	return out
}

func (p *pages) isArchive(d *Document) bool {
	for _, l := range i18n.Langs() {
		if p.docs[p.model.href(l, "archiv")] == d {
			return true
		}
	}
	return false
}

// find answers a search: the one page that is rendered on request.
func (r *Room) find(w http.ResponseWriter, req *http.Request, p *pages, d *Document, query string) {
	lang := p.model.home()
	for _, l := range i18n.Langs() {
		if p.docs[p.model.href(l, "archiv")] == d {
			lang = l
		}
	}
	query = strings.TrimSpace(strings.ToValidUTF8(query, "\uFFFD"))
	if utf8.RuneCountInString(query) > 100 {
		query = string([]rune(query)[:100])
	}
	a := p.search[lang]
	v := a.v
	var b bytes.Buffer
	if err := archivePage(&v, query, a.find(query)).Render(v.ctx(req.Context()), &b); err != nil {
		r.o.Log.ErrorContext(req.Context(), "search could not be shown", "err", err)
		d.serve(w, req) // the whole list is the better answer than none
		return
	}
	h := w.Header()
	h["Content-Type"] = d.mime
	h["Content-Language"] = d.content
	h["Cache-Control"] = d.cache
	w.WriteHeader(http.StatusOK)
	if req.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // the reader may be gone
	}
}
