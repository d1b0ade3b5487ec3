package desk

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

type setupStepBody struct {
	Step     string     `json:"step" enum:"mail,public,second,monitor,other"`
	Title    string     `json:"title"`
	State    string     `json:"state" enum:"open,waiting,later,proven" doc:"Only proven counts as done"`
	Target   string     `json:"target,omitempty"`
	ProvenAt *time.Time `json:"proven_at,omitempty"`
	Address  string     `json:"address,omitempty" doc:"Of the step public while it waits: what is opened from outside"`
}

type setupTroubleBody struct {
	What string `json:"what"`
	Do   string `json:"do"`
	Said string `json:"said,omitempty" doc:"Words of the other side"`
}

type setupTriedBody struct {
	Step     setupStepBody     `json:"step"`
	Trouble  *setupTroubleBody `json:"trouble,omitempty"`
	Findings []string          `json:"findings" doc:"What a second address shares with the town"`
	Link     string            `json:"link,omitempty" doc:"Of an invitation; shown once"`
}

type setupTryInput struct {
	Step string `path:"step" doc:"mail, public, second, monitor or other"`
	Body struct {
		Host        string `json:"host,omitempty" doc:"mail: server for outgoing mail; empty: the one that is there"`
		Port        int    `json:"port,omitempty"`
		TLS         string `json:"tls,omitempty" enum:"none,starttls,tls"`
		From        string `json:"from,omitempty"`
		Username    string `json:"username,omitempty"`
		Password    string `json:"password,omitempty"`
		PublicURL   string `json:"public_url,omitempty" doc:"public"`
		StaffURL    string `json:"staff_url,omitempty" doc:"public"`
		Alternative string `json:"alternative,omitempty" doc:"second and other: an address outside the town"`
		Mobile      string `json:"mobile,omitempty" doc:"second"`
		URL         string `json:"url,omitempty" doc:"monitor: the town's website"`
		Service     string `json:"service,omitempty" doc:"monitor: what it is called"`
		Name        string `json:"name,omitempty" doc:"other: who is invited"`
		Email       string `json:"email,omitempty" doc:"other"`
		Role        string `json:"role,omitempty" enum:"admin,it,publisher,approver,reader" doc:"other"`
	}
}

type setupCodeInput struct {
	Step string `path:"step" doc:"mail or second"`
	Body struct {
		Code string `json:"code"`
	}
}

type setupStepInput struct {
	Step string `path:"step" doc:"mail, public, second, monitor or other"`
}

func (d *Desk) setupAPI(a *web.API) {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/setup" + path, Summary: summary, Tags: []string{"setup"}, DefaultStatus: 200}
	}
	web.Operation(a, op("list-setup-steps", http.MethodGet, "", "List the five steps of a first start with their proofs"), "admin", d.apiSetup)
	web.Operation(a, op("try-setup-step", http.MethodPost, "/{step}", "Try a step: send a test mail, show a code, look, invite"), "admin", d.apiTrySetup)
	web.Operation(a, op("answer-setup-step", http.MethodPost, "/{step}/code", "Answer the code that came by mail"), "admin", d.apiAnswerSetup)
	web.Operation(a, op("put-off-setup-step", http.MethodPost, "/{step}/later", "Put a step off; it stays red until it is proven"), "admin", d.apiLaterSetup)
}

func (d *Desk) setupBody(ctx context.Context, s setupStep) (setupStepBody, error) {
	b := setupStepBody{Step: string(s.Step), Title: stepTitle(ctx, s.Step), State: string(s.State), Target: s.Target}
	if !s.ProvenAt.IsZero() {
		b.ProvenAt = &s.ProvenAt
	}
	if s.Step != identity.StepPublic || s.State != identity.StepWaiting {
		return b, nil
	}
	t, err := d.o.Identity.Current(ctx)
	if err != nil {
		return b, err
	}
	code, err := d.o.Identity.StepCode(ctx, s.Step)
	b.Address = seenAddress(t, code)
	return b, err
}

func (d *Desk) apiSetup(ctx context.Context, _ *struct{}) (*web.List[setupStepBody], error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	steps, _, err := d.setupSteps(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]setupStepBody, len(steps))
	for i, s := range steps {
		if items[i], err = d.setupBody(ctx, s); err != nil {
			return nil, err
		}
	}
	return web.NewList(items, ""), nil
}

// setupOne is one step as it stands now.
func (d *Desk) setupOne(ctx context.Context, step identity.Step) (setupStepBody, error) {
	steps, _, err := d.setupSteps(ctx)
	if err != nil {
		return setupStepBody{}, err
	}
	for _, s := range steps {
		if s.Step == step {
			return d.setupBody(ctx, s)
		}
	}
	return setupStepBody{}, fault.New(fault.NotFound, "identity.setup_no_step")
}

func (d *Desk) apiTrySetup(ctx context.Context, in *setupTryInput) (*web.One[setupTriedBody], error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	b, step := in.Body, identity.Step(in.Step)
	var out tried
	var err error
	switch step {
	case identity.StepMail:
		out, err = d.tryRelay(ctx, channel.Relay{
			Name: setupRelay, Host: b.Host, Port: b.Port, From: b.From, Username: b.Username, TLS: b.TLS, Password: []byte(b.Password),
		}, "")
	case identity.StepPublic:
		out, err = d.askPublic(ctx, b.StaffURL, b.PublicURL, "")
	case identity.StepSecond:
		out, err = d.trySecond(ctx, b.Alternative, b.Mobile, "")
	case identity.StepMonitor:
		out, err = d.trySite(ctx, b.URL, b.Service)
	case identity.StepOther:
		out, err = d.invite(ctx, identity.Person{Name: b.Name, Email: b.Email, Alternative: b.Alternative, Roles: []identity.Role{identity.Role(b.Role)}})
	default:
		return nil, fault.New(fault.NotFound, "identity.setup_no_step")
	}
	if err != nil {
		return nil, err
	}
	body := setupTriedBody{Findings: []string{}, Link: out.link}
	if t := out.trouble; t != nil {
		body.Trouble = &setupTroubleBody{t.What, t.Do, t.Said}
	}
	for _, f := range out.findings {
		body.Findings = append(body.Findings, i18n.T(ctx, f.Key(), f.Args()...))
	}
	body.Step, err = d.setupOne(ctx, step)
	return &web.One[setupTriedBody]{Body: body}, err
}

func (d *Desk) apiAnswerSetup(ctx context.Context, in *setupCodeInput) (*web.One[setupStepBody], error) {
	if err := d.o.Identity.AnswerStep(ctx, identity.Step(in.Step), in.Body.Code); err != nil {
		return nil, err
	}
	b, err := d.setupOne(ctx, identity.Step(in.Step))
	return &web.One[setupStepBody]{Body: b}, err
}

func (d *Desk) apiLaterSetup(ctx context.Context, in *setupStepInput) (*web.One[setupStepBody], error) {
	if err := d.o.Identity.PutOff(ctx, identity.Step(in.Step)); err != nil {
		return nil, err
	}
	b, err := d.setupOne(ctx, identity.Step(in.Step))
	return &web.One[setupStepBody]{Body: b}, err
}
