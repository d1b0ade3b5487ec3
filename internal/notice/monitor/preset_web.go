package monitor

import (
	"context"
	"net/http"
	"net/url"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// presetView is the form of one preset.
type presetView struct {
	Preset   Preset
	Form     *web.Form
	Services []web.Option
}

func (r *Room) pagePresets(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	return web.Render(w, req, presetsPage())
}

func (r *Room) pagePreset(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	p, ok := presetOf(req.PathValue("preset"))
	if !ok {
		return fault.New(fault.NotFound, "monitor.preset.unknown")
	}
	values := map[string]string{"name": i18n.T(ctx, "monitor.preset."+p.ID), "service": req.FormValue("service")}
	for _, f := range p.fields {
		values[f.name] = f.value
	}
	return r.showPreset(w, req, http.StatusOK, p, web.NewForm(values))
}

func (r *Room) showPreset(w http.ResponseWriter, req *http.Request, status int, p Preset, f *web.Form) error {
	services, err := r.serviceOptions(req.Context())
	if err != nil {
		return err
	}
	return web.RenderStatus(w, req, status, presetPage(presetView{Preset: p, Form: f, Services: services}))
}

func (r *Room) postPreset(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if err := mayChange(ctx); err != nil {
		return err
	}
	p, ok := presetOf(req.PathValue("preset"))
	if !ok {
		return fault.New(fault.NotFound, "monitor.preset.unknown")
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	given := map[string]string{}
	for _, field := range p.fields {
		given[field.name] = f.Get(field.name)
	}
	ms, err := r.Begin(ctx, p.ID, f.Get("name"), f.Get("service"), given)
	if err != nil {
		if f.Take(err) {
			return r.showPreset(w, req, http.StatusUnprocessableEntity, p, f)
		}
		return err
	}
	if len(ms) == 1 {
		return web.SeeOther(w, req, "/monitor/"+ms[0].Slug+"?said=saved")
	}
	return web.SeeOther(w, req, "/monitor?q="+url.QueryEscape(f.Get("name")))
}

// serviceOptions are the services to choose from, and none.
func (r *Room) serviceOptions(ctx context.Context) ([]web.Option, error) {
	all, err := r.o.Services.List(ctx)
	if err != nil {
		return nil, err
	}
	out := []web.Option{{Text: i18n.T(ctx, "monitor.no_service")}}
	for _, s := range all {
		out = append(out, web.Option{Value: s.Slug, Text: s.Name})
	}
	return out, nil
}

// ask is how a question of the preset is asked.
func (f presetField) ask(ctx context.Context, p Preset) web.FieldOptions {
	key := "monitor.preset." + p.ID + "_" + f.name
	o := web.FieldOptions{Name: f.name, Label: i18n.T(ctx, key), Type: f.typ, Required: f.required, Rows: 4}
	if i18n.Of(ctx).Catalog.Has(key + "_hint") {
		o.Hint = i18n.T(ctx, key+"_hint")
	}
	return o
}

func (f presetField) choices(ctx context.Context) []web.Option {
	var out []web.Option
	for _, v := range f.options {
		text := v
		switch {
		case v == "":
			text = i18n.T(ctx, "monitor.preset.choice_none")
		case f.name == "mode":
			text = i18n.T(ctx, "monitor.preset.mode_"+v)
		case f.name == "rhythm":
			text = i18n.T(ctx, "monitor.preset.rhythm_"+v)
		case f.name == "database":
			text = kindWord(ctx, Kind(v))
		}
		out = append(out, web.Option{Value: v, Text: text})
	}
	return out
}

// ---- API ----

type apiPreset struct {
	ID     string     `json:"id"`
	Name   string     `json:"name"`
	Say    string     `json:"say" doc:"What it makes"`
	Fields []apiField `json:"fields"`
}

type apiField struct {
	Name     string   `json:"name"`
	Label    string   `json:"label"`
	Required bool     `json:"required"`
	Options  []string `json:"options,omitempty"`
}

func (r *Room) apiPresets(ctx context.Context, _ *struct{}) (*web.List[apiPreset], error) {
	var items []apiPreset
	for _, p := range Presets() {
		x := apiPreset{ID: p.ID, Name: i18n.T(ctx, "monitor.preset."+p.ID), Say: i18n.T(ctx, "monitor.preset."+p.ID+"_say")}
		for _, f := range p.fields {
			x.Fields = append(x.Fields, apiField{f.name, f.ask(ctx, p).Label, f.required, f.options})
		}
		items = append(items, x)
	}
	return web.NewList(items, ""), nil
}

type apiBeginInput struct {
	Preset string `path:"preset"`
	Body   struct {
		Name    string            `json:"name"`
		Service string            `json:"service,omitempty" doc:"Slug of the service that the monitors watch"`
		Values  map[string]string `json:"values" doc:"By the fields of the preset"`
	}
}

func (r *Room) apiBegin(ctx context.Context, in *apiBeginInput) (*web.List[monitorBody], error) {
	ms, err := r.Begin(ctx, in.Preset, in.Body.Name, in.Body.Service, in.Body.Values)
	if err != nil {
		return nil, err
	}
	items := make([]monitorBody, len(ms))
	for i, m := range ms {
		if items[i], err = r.bodyOf(ctx, m); err != nil {
			return nil, err
		}
	}
	return web.NewList(items, ""), nil
}
