package editorial

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// Routes hangs the room's pages into the console.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /editorial", web.Staff(r.pageList))
	s.Handle("GET /editorial/new", web.Staff(r.pageNew))
	s.Handle("POST /editorial/new", web.Staff(r.postNew))
	s.Handle("GET /editorial/{id}", web.Staff(r.pageOne))
	s.Handle("POST /editorial/{id}", web.Staff(r.postOne))
	s.Handle("GET /editorial/{id}/edit", web.Staff(r.pageEdit))
	s.Handle("POST /editorial/{id}/edit", web.Staff(r.postEdit))
}

const perPage = 50

// listView is the page of all posts.
type listView struct {
	Posts    []Post
	State    State // empty: all
	Held     int
	Next     ID
	First    bool
	MayWrite bool
	Accounts []string
}

func href(id ID) string { return "/editorial/" + url.PathEscape(string(id)) }

func (r *Room) pageList(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	v := listView{State: State(req.FormValue("state")), First: req.FormValue("after") == "", MayWrite: mayWrite(ctx), Accounts: r.Accounts(ctx)}
	var err error
	if v.Posts, err = r.List(ctx, Filter{State: v.State, After: ID(req.FormValue("after")), Limit: perPage + 1}); err != nil {
		return err
	}
	if len(v.Posts) > perPage {
		v.Posts = v.Posts[:perPage]
		v.Next = v.Posts[perPage-1].ID
	}
	if v.Held, err = r.Count(ctx, Held); err != nil {
		return err
	}
	return web.Render(w, req, listPage(v))
}

func (v listView) say(ctx context.Context) string {
	if v.Held > 0 {
		return i18n.N(ctx, "editorial.page.say_held", v.Held)
	}
	return i18n.T(ctx, "editorial.page.say")
}

func (v listView) chips(ctx context.Context) []web.Chip {
	out := []web.Chip{{Href: "/editorial", Text: i18n.T(ctx, "editorial.page.all"), Current: v.State == ""}}
	for _, s := range []State{Held, Scheduled, Submitted, Draft, Published} {
		out = append(out, web.Chip{Href: "/editorial?state=" + string(s), Text: s.Word(ctx), Current: v.State == s})
	}
	return out
}

func (v listView) links(ctx context.Context) []web.PageLink {
	q := url.Values{}
	if v.State != "" {
		q.Set("state", string(v.State))
	}
	var out []web.PageLink
	if !v.First {
		out = append(out, web.PageLink{Href: "/editorial?" + q.Encode(), Text: i18n.T(ctx, "editorial.page.newest")})
	}
	if v.Next != "" {
		q.Set("after", string(v.Next))
		out = append(out, web.PageLink{Href: "/editorial?" + q.Encode(), Text: i18n.T(ctx, "editorial.page.older"), Rel: "next"})
	}
	return out
}

// Word is the state in the reader's language.
func (s State) Word(ctx context.Context) string { return i18n.T(ctx, "editorial.state."+string(s)) }

// look is the state's shape and colour.
func (s State) look() web.State {
	switch s {
	case Published:
		return web.OK
	case Held:
		return web.Degraded
	case Failed:
		return web.Down
	case Discarded, Draft:
		return web.Unknown
	default:
		return web.Pending
	}
}

func (r *Room) pageNew(w http.ResponseWriter, req *http.Request) error {
	if !mayWrite(req.Context()) {
		return ErrForbidden
	}
	return r.showForm(w, req, http.StatusOK, "", web.NewForm(nil))
}

func (r *Room) showForm(w http.ResponseWriter, req *http.Request, status int, id ID, f *web.Form) error {
	var accounts []web.Option
	for _, a := range r.Accounts(req.Context()) {
		accounts = append(accounts, web.Option{Value: a, Text: a})
	}
	if f.Get("account") == "" && len(accounts) > 0 {
		f.Values.Set("account", accounts[0].Value)
	}
	return web.RenderStatus(w, req, status, formPage(id, f, accounts))
}

func (r *Room) postNew(w http.ResponseWriter, req *http.Request) error {
	return r.save(w, req, "", func(ctx context.Context, p Post) (Post, error) { return r.Create(ctx, p) })
}

func (r *Room) pageEdit(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	p, err := r.Get(ctx, ID(req.PathValue("id")))
	switch {
	case err != nil:
		return err
	case !mayWrite(ctx):
		return ErrForbidden
	case !p.State.Open():
		return ErrState
	}
	f := web.NewForm(map[string]string{"text": p.Text, "account": p.Account})
	if p.Humour {
		f.Values.Set("flags", "humour")
	}
	if !p.Due.IsZero() {
		f.Values.Set("at", p.Due.In(i18n.Of(ctx).Zone).Format(inputTime))
	}
	return r.showForm(w, req, http.StatusOK, p.ID, f)
}

func (r *Room) postEdit(w http.ResponseWriter, req *http.Request) error {
	id := ID(req.PathValue("id"))
	return r.save(w, req, id, func(ctx context.Context, p Post) (Post, error) {
		return r.Change(ctx, id, p.Text, p.Account, p.Humour, p.Due)
	})
}

// save stores what was typed, or shows it again with what is wrong. The button
// "submit" asks for approval as well.
func (r *Room) save(w http.ResponseWriter, req *http.Request, id ID, put func(context.Context, Post) (Post, error)) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	ctx := req.Context()
	p := Post{Text: f.Get("text"), Account: f.Get("account"), Humour: f.Has("flags", "humour"), Due: readTime(ctx, f, "at")}
	if f.OK() {
		if p, err = put(ctx, p); err == nil && f.Get("then") == "submit" {
			p, err = r.Submit(ctx, p.ID)
		}
		if err == nil {
			return web.SeeOther(w, req, href(p.ID))
		}
		if !f.Take(err) {
			return err
		}
	}
	return r.showForm(w, req, http.StatusUnprocessableEntity, id, f)
}

// inputTime is the form of datetime-local, in the reader's zone.
const inputTime = "2006-01-02T15:04"

func readTime(ctx context.Context, f *web.Form, field string) time.Time {
	v := f.Get(field)
	if v == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation(inputTime, v, i18n.Of(ctx).Zone)
	if err != nil {
		f.Fail(field, "editorial.bad_time")
	}
	return t
}

// oneView is the page of one post.
type oneView struct {
	Post
	Form                             *web.Form
	Crisis                           bool
	MayWrite, MayApprove, MayRelease bool
	Own                              bool
}

func (r *Room) pageOne(w http.ResponseWriter, req *http.Request) error {
	return r.showOne(w, req, http.StatusOK, web.NewForm(nil))
}

func (r *Room) showOne(w http.ResponseWriter, req *http.Request, status int, f *web.Form) error {
	ctx := req.Context()
	p, err := r.Get(ctx, ID(req.PathValue("id")))
	if err != nil {
		return err
	}
	crisis, err := r.crisis(ctx)
	if err != nil {
		return err
	}
	v := oneView{Post: p, Form: f, Crisis: crisis != "", Own: same(p.Author, ident.ActorOf(ctx))}
	v.MayWrite = mayWrite(ctx) && !p.State.Final() && p.State != Sending
	v.MayApprove = mayRelease(ctx) && p.State.Open() && !v.Own
	if p.State == Held {
		_, err = r.mayLetGo(ctx, p, crisis)
		v.MayRelease = err == nil
	}
	return web.RenderStatus(w, req, status, onePage(v))
}

func (r *Room) postOne(w http.ResponseWriter, req *http.Request) error {
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	ctx, id := req.Context(), ID(req.PathValue("id"))
	switch f.Get("act") {
	case "submit":
		_, err = r.Submit(ctx, id)
	case "approve":
		_, err = r.Approve(ctx, id)
	case "return":
		_, err = r.Return(ctx, id, f.Get("reason"))
	case "release":
		if due := readTime(ctx, f, "at"); f.OK() {
			_, err = r.Release(ctx, id, f.Get("reason"), due)
		}
	case "discard":
		_, err = r.Discard(ctx, id, f.Get("reason"))
	default:
		err = ErrState
	}
	if err == nil && f.OK() {
		return web.SeeOther(w, req, href(id))
	}
	if err != nil && !f.Take(err) {
		return err
	}
	return r.showOne(w, req, http.StatusUnprocessableEntity, f)
}
