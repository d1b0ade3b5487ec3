package identity

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// DirectoryPath is the page of the town's directory.
const DirectoryPath = "/identity/directory"

func (r *Room) rollRoutes(s *web.Site) {
	s.Handle("GET "+DirectoryPath, RequireRole(r.pageDirectory, RoleAdmin))
	s.Handle("POST "+DirectoryPath, RequireRole(r.postDirectory, RoleAdmin))
}

// rollView is the page: how the last run ended and, after looking, the difference.
type rollView struct {
	Is      bool
	Server  string
	Base    string
	MaxGone int
	Last    Roll
	Looked  bool
	C       Comparison
	Error   *fault.Error
	Said    string // the directory's own words
	Applied bool
}

func (r *Room) rollView(ctx context.Context) (v rollView, err error) {
	l, ok := r.Directory(ctx)
	v.Is, v.Server, v.Base, v.MaxGone = ok, host(l.URL), l.Base, l.MaxGone
	v.Last, err = r.LastRoll(ctx)
	return v, err
}

func (r *Room) pageDirectory(w http.ResponseWriter, req *http.Request) error {
	v, err := r.rollView(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, directoryPage(v))
}

// postDirectory looks, or carries the difference out. Looking asks another
// machine, so it is no GET.
func (r *Room) postDirectory(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	var c Comparison
	apply := f.Get("act") == "apply"
	if apply {
		c, err = r.SyncPeople(ctx, f.Get("mark"))
	} else {
		c, err = r.Preview(ctx)
	}
	v, verr := r.rollView(ctx)
	if verr != nil {
		return verr
	}
	status := http.StatusOK
	if err != nil {
		e := fault.As(err)
		if e.Kind != fault.Unavailable && e.Kind != fault.Conflict {
			return err
		}
		v.Error, status = e, fault.Status(e.Kind)
		if e.Err != nil {
			v.Said = shorten(e.Err.Error())
		}
		if e.Kind == fault.Unavailable {
			status = http.StatusUnprocessableEntity // the page itself is fine
		}
	} else {
		v.Looked, v.C, v.Applied = true, c, apply
	}
	return web.RenderStatus(w, req, status, directoryPage(v))
}

// changedWords are the changed fields with their new values, for people.
func changedWords(ctx context.Context, l Line) string {
	var out []string
	for _, field := range []string{"name", "email", "alternative", "mobile", "chat", "roles", "org_unit"} {
		v, ok := l.Changed[field]
		if !ok {
			continue
		}
		if field == "roles" {
			v = roleNames(ctx, l.Person.Roles)
		}
		key := field
		if field == "email" {
			key = "email_official"
		}
		out = append(out, i18n.T(ctx, "identity.move_field_"+key)+": "+v)
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

type rollLineBody struct {
	Move    string            `json:"move" enum:"new,change,back,rest,keep,refuse"`
	Name    string            `json:"name"`
	Email   string            `json:"email,omitempty"`
	Changed map[string]string `json:"changed,omitempty"`
	Why     string            `json:"why,omitempty" doc:"In words"`
}

type rollBody struct {
	Declared bool           `json:"declared" doc:"The configuration names a directory"`
	Server   string         `json:"server,omitempty"`
	State    string         `json:"state" enum:",done,waiting,failed"`
	Detail   string         `json:"detail,omitempty" doc:"In words"`
	Found    int            `json:"found"`
	Same     int            `json:"same"`
	TooMany  bool           `json:"too_many" doc:"More would vanish than one run may put to rest; send mark to confirm"`
	Mark     string         `json:"mark,omitempty"`
	Lines    []rollLineBody `json:"lines"`
}

type rollInput struct {
	Body struct {
		DryRun bool   `json:"dry_run,omitempty"`
		Mark   string `json:"mark,omitempty" doc:"Of a dry run: confirms exactly those who would vanish"`
	}
}

func (r *Room) rollAPI(a *web.API) {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/people/directory" + path, Summary: summary, Tags: []string{"people"}, DefaultStatus: 200}
	}
	web.Operation(a, op("get-directory", http.MethodGet, "", "Say how the last run over the town's directory ended"), scopePeople, r.apiRoll)
	web.Operation(a, op("sync-directory", http.MethodPost, "/sync", "Compare the people with the town's directory and carry the difference out"), scopePeople, r.apiSync)
}

func (r *Room) apiRoll(ctx context.Context, _ *struct{}) (*web.One[rollBody], error) {
	if err := mayManage(ctx, scopePeople); err != nil {
		return nil, err
	}
	return r.rollBody(ctx, Comparison{})
}

func (r *Room) rollBody(ctx context.Context, c Comparison) (*web.One[rollBody], error) {
	v, err := r.rollView(ctx)
	if err != nil {
		return nil, err
	}
	b := rollBody{
		Declared: v.Is, Server: v.Server, State: string(v.Last.State), Found: max(v.Last.Found, c.Found), Same: c.Same, TooMany: c.TooMany, Mark: c.Mark,
		Lines: []rollLineBody{},
	}
	if v.Last.Detail != "" {
		b.Detail = i18n.T(ctx, v.Last.Detail, v.Last.Arg)
	}
	for _, l := range Shown(c) {
		line := rollLineBody{Move: string(l.Move), Name: l.Person.Name, Email: l.Person.Email, Changed: l.Changed}
		if l.Why != "" {
			line.Why = i18n.T(ctx, l.Why)
		}
		b.Lines = append(b.Lines, line)
	}
	return &web.One[rollBody]{Body: b}, nil
}

func (r *Room) apiSync(ctx context.Context, in *rollInput) (*web.One[rollBody], error) {
	var c Comparison
	var err error
	if in.Body.DryRun {
		c, err = r.Preview(ctx)
	} else {
		c, err = r.SyncPeople(ctx, in.Body.Mark)
	}
	if err != nil {
		return nil, err
	}
	return r.rollBody(ctx, c)
}
