package monitor

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
)

// importView is what the page of an import shows.
type importView struct {
	Form    *web.Form
	Harvest *Harvest
	Sealed  string // the file, for the second step; nobody can read it on its way
}

func (r *Room) pageImport(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	return web.Render(w, req, importPage(importView{Form: web.NewForm(map[string]string{"format": string(Kuma)})}))
}

// postImport is both steps: the file is looked at first, and comes back sealed
// with the page; sent again it is taken over.
func (r *Room) postImport(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	v := importView{Form: f}
	raw, apply := []byte(nil), f.Get("apply") == "yes"
	if apply {
		raw, err = r.unsealImport(ctx, f.Get("sealed"))
		if err != nil {
			f.Fail("file", "monitor.import.stale")
		}
	} else if file, _, ferr := req.FormFile("file"); ferr == nil {
		raw, err = io.ReadAll(io.LimitReader(file, MaxImport+1))
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	if f.OK() && len(raw) == 0 {
		f.Fail("file", "monitor.import.file_missing")
	}
	if f.OK() {
		h, err := r.Import(ctx, ImportFormat(f.Get("format")), raw, apply)
		if err == nil {
			v.Harvest = &h
		} else if !f.Take(err) {
			return err
		}
	}
	if !f.OK() {
		return web.RenderStatus(w, req, http.StatusUnprocessableEntity, importPage(v))
	}
	if !apply {
		if v.Sealed, err = r.sealImport(ctx, raw); err != nil {
			return err
		}
	}
	return web.Render(w, req, importPage(v))
}

// importPurpose binds a sealed file to this use and this town.
func importPurpose(ctx context.Context) string {
	return "monitor.import/" + string(ident.TenantOf(ctx))
}

func (r *Room) sealImport(ctx context.Context, raw []byte) (string, error) {
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	if _, err := z.Write(raw); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	sealed, err := r.o.Vault.Seal(importPurpose(ctx), small.Bytes())
	return base64.StdEncoding.EncodeToString(sealed), err
}

func (r *Room) unsealImport(ctx context.Context, text string) ([]byte, error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	small, err := r.o.Vault.Open(importPurpose(ctx), sealed)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(small))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, MaxImport+1))
}

// outcomeMark is the shape of an outcome.
func outcomeMark(o Outcome) web.State {
	switch o {
	case ImportNew, ImportDone:
		return web.OK
	case ImportExists:
		return web.Pending
	}
	return web.Unknown
}

func importSay(ctx context.Context, h *Harvest) string {
	if h == nil {
		return ""
	}
	return h.say(i18n.Of(ctx))
}

// ---- API ----

type apiImportInput struct {
	Body struct {
		Format string `json:"format" enum:"kuma,gatus" doc:"kuma: Uptime Kuma's JSON backup; gatus: Gatus' YAML configuration"`
		File   string `json:"file" doc:"The file as text"`
		DryRun bool   `json:"dry_run,omitempty" doc:"Only say what would become of it"`
	}
}

// importBody is what became of a file.
type importBody struct {
	Items   []importEntry `json:"items"`
	Left    []string      `json:"left" doc:"What of the file as a whole has no place here"`
	Applied bool          `json:"applied"`
}

type importEntry struct {
	Name    string   `json:"name" doc:"As in the file"`
	Kind    string   `json:"kind" doc:"The file's word for it"`
	Outcome string   `json:"outcome" enum:"new,created,exists,not"`
	Slug    string   `json:"slug,omitempty"`
	Target  string   `json:"target,omitempty"`
	Remarks []string `json:"remarks" doc:"What changes or is dropped, and why it cannot be taken over"`
}

func (r *Room) apiImport(ctx context.Context, in *apiImportInput) (*web.One[importBody], error) {
	h, err := r.Import(ctx, ImportFormat(in.Body.Format), []byte(in.Body.File), !in.Body.DryRun)
	if err != nil {
		return nil, err
	}
	l := i18n.Of(ctx)
	out := importBody{Items: []importEntry{}, Left: []string{}, Applied: h.Applied}
	for _, e := range h.Entries {
		x := importEntry{Name: e.Name, Kind: e.Kind, Outcome: string(e.Outcome), Slug: e.Monitor.Slug, Target: e.Monitor.Spec.Target(), Remarks: []string{}}
		for _, m := range e.Remarks {
			x.Remarks = append(x.Remarks, m.In(l))
		}
		out.Items = append(out.Items, x)
	}
	for _, m := range h.Left {
		out.Left = append(out.Left, m.In(l))
	}
	return &web.One[importBody]{Body: out}, nil
}

// Report writes a harvest for a terminal, one line for each entry and its
// remarks below. It holds no secret.
func (h Harvest) Report(l i18n.Locale) string {
	var b strings.Builder
	for _, e := range h.Entries {
		b.WriteString(e.Name + " (" + e.Kind + "): " + l.Catalog.Text(l.Lang, "monitor.import.outcome_"+string(e.Outcome)))
		if e.Monitor.Slug != "" {
			b.WriteString(" → " + e.Monitor.Slug + ", " + l.Catalog.Text(l.Lang, "monitor.kind_"+string(e.Monitor.Spec.Kind)) + " " + e.Monitor.Spec.Target())
		}
		b.WriteString("\n")
		for _, m := range e.Remarks {
			b.WriteString("    " + m.In(l) + "\n")
		}
	}
	for _, m := range h.Left {
		b.WriteString(m.In(l) + "\n")
	}
	b.WriteString(h.say(l) + "\n")
	return b.String()
}
