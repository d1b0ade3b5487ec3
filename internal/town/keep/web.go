package keep

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/replica"
	"tuermer/internal/platform/web"
)

// Routes adds this room's page.
func (r *Room) Routes(s *web.Site) {
	s.Handle("GET /keep", web.Staff(r.page))
	s.Handle("POST /keep/now", web.Staff(r.postNow))
	s.Handle("POST /keep/held", web.Staff(r.postHeld))
}

// API adds this room's operations.
func (r *Room) API(a *web.API) {
	web.Operation(a, huma.Operation{
		Method: http.MethodGet, Path: "/api/v1/backups", OperationID: "get-backups", Tags: []string{"backups"},
		Summary: "Tell how the backups of this install stand",
	}, "admin", r.apiState)
	web.Operation(a, huma.Operation{
		Method: http.MethodPost, Path: "/api/v1/backups", OperationID: "make-backup", Tags: []string{"backups"},
		Summary: "Make a backup now, in the background",
	}, "admin", r.apiNow)
	web.Operation(a, huma.Operation{
		Method: http.MethodPost, Path: "/api/v1/backups/held", OperationID: "decide-held", Tags: []string{"backups"},
		Summary: "Send what a restore holds, or end it as not sent",
	}, "admin", r.apiHeld)
}

// view is the page.
type view struct {
	State
	Form *web.Form
}

// State is how the backups stand.
type State struct {
	Configured bool
	Plan       Plan
	Next       time.Time
	Files      []Stored // newest first
	Report     Report
	Finding    Finding
	Held       int
	Busy       bool
	Copies     []replica.PlaceStatus
}

// State tells how the backups stand.
func (r *Room) State(ctx context.Context) (s State, err error) {
	if err := may(ctx); err != nil {
		return s, err
	}
	s = State{Configured: r.configured(), Plan: r.set().Plan}
	if r.o.Copies != nil {
		s.Copies = r.o.Copies()
	}
	now := r.o.Clock.Now()
	if s.Files, err = r.list(); err != nil {
		return s, err
	}
	if s.Report, err = r.read(); err != nil {
		return s, err
	}
	s.Finding = r.judge(s.Report, s.Files, now)
	if r.set().Plan.On {
		s.Next = r.set().Plan.next(now)
	}
	for i, j := 0, len(s.Files)-1; i < j; i, j = i+1, j-1 {
		s.Files[i], s.Files[j] = s.Files[j], s.Files[i]
	}
	r.mu.Lock()
	s.Busy = r.busy || r.wanted
	r.mu.Unlock()
	s.Held, err = r.held(ctx)
	return s, err
}

func (r *Room) page(w http.ResponseWriter, req *http.Request) error {
	s, err := r.State(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, keepPage(view{s, web.NewForm(nil)}))
}

func (r *Room) postNow(w http.ResponseWriter, req *http.Request) error {
	if err := r.Now(req.Context()); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/keep")
}

func (r *Room) postHeld(w http.ResponseWriter, req *http.Request) error {
	if err := may(req.Context()); err != nil {
		return err
	}
	form, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	if _, err := r.LetGo(req.Context(), form.Get("do") == "send"); err != nil {
		return err
	}
	return web.SeeOther(w, req, "/keep")
}

// size is a file size for people.
func size(ctx context.Context, n int64) string {
	if n < 1<<20 {
		return i18n.T(ctx, "keep.kib", (n+1023)/1024)
	}
	return i18n.T(ctx, "keep.mib", (n+1<<20-1)>>20)
}

type backupFileBody struct {
	Name string    `json:"name"`
	Made time.Time `json:"made_at"`
	Size int64     `json:"size"`
}

type backupsBody struct {
	Configured bool             `json:"configured"`
	Items      []backupFileBody `json:"items"`
	Next       *time.Time       `json:"next_at,omitempty"`
	Bad        string           `json:"bad,omitempty" doc:"Why the backups are worrying; missing when they are well"`
	TriedAt    *time.Time       `json:"tried_at,omitempty" doc:"When a backup was last restored on trial"`
	TriedFile  string           `json:"tried_file,omitempty"`
	TrialError string           `json:"trial_error,omitempty"`
	Rows       int64            `json:"trial_rows"`
	Chains     int              `json:"trial_chains"`
	FailedAt   *time.Time       `json:"failed_at,omitempty" doc:"When the last backup failed; missing when it did not"`
	Failed     string           `json:"failed,omitempty" doc:"Why"`
	Held       int              `json:"held" doc:"Messages that a restore holds until a person decides"`
	Copies     []backupCopyBody `json:"copies" doc:"Places to which the database is carried while it is written"`
}

type backupCopyBody struct {
	Name    string     `json:"name"`
	Through *time.Time `json:"through,omitempty" doc:"All that was written until then lies there; missing: never yet"`
	Lag     int64      `json:"lag_seconds"`
	Late    bool       `json:"late" doc:"It lags further behind than backup.replica.alarm_after"`
	Reason  string     `json:"reason,omitempty" doc:"What failed last; missing when nothing did"`
	Error   string     `json:"error,omitempty"`
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (r *Room) apiState(ctx context.Context, _ *struct{}) (*struct{ Body backupsBody }, error) {
	s, err := r.State(ctx)
	if err != nil {
		return nil, err
	}
	b := backupsBody{
		Configured: s.Configured, Items: []backupFileBody{}, Copies: []backupCopyBody{}, Next: orNil(s.Next), TriedAt: orNil(s.Report.Trial.At), TriedFile: s.Report.Trial.File,
		TrialError: s.Report.Trial.Error, Rows: s.Report.Trial.Rows, Chains: s.Report.Trial.Chains, Held: s.Held,
	}
	if s.Finding.Bad {
		b.Bad = i18n.T(ctx, s.Finding.Title)
	}
	if s.Report.Backup.Error != "" {
		b.FailedAt, b.Failed = orNil(s.Report.Backup.At), failWords(ctx, s.Report.Backup)
	}
	for _, c := range s.Copies {
		b.Copies = append(b.Copies, backupCopyBody{c.Name, orNil(c.Through), int64(c.Lag.Seconds()), c.Late, c.Reason, c.Err})
	}
	for _, f := range s.Files {
		b.Items = append(b.Items, backupFileBody(f))
	}
	return &struct{ Body backupsBody }{b}, nil
}

func (r *Room) apiNow(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return &struct{}{}, r.Now(ctx)
}

type backupHeldBody struct {
	Send bool `json:"send" doc:"true: send them; false: end them as not sent"`
}

type backupHeldAnswerBody struct {
	Messages int `json:"messages"`
}

func (r *Room) apiHeld(ctx context.Context, in *struct{ Body backupHeldBody }) (*struct{ Body backupHeldAnswerBody }, error) {
	n, err := r.LetGo(ctx, in.Body.Send)
	if err != nil {
		return nil, err
	}
	return &struct{ Body backupHeldAnswerBody }{backupHeldAnswerBody{n}}, nil
}

// failWords say why a backup failed.
func failWords(ctx context.Context, a Attempt) string {
	if a.Reason == "" {
		return a.Error
	}
	return i18n.T(ctx, "keep.fail_"+a.Reason)
}

// copyReason says why a place did not take the copy.
func copyReason(ctx context.Context, c replica.PlaceStatus) string {
	if c.Reason == replica.OwnDisk {
		return i18n.T(ctx, "keep.copy_own")
	}
	return i18n.T(ctx, "depot.fail_"+c.Reason)
}
