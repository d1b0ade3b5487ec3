package identity

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/web"
)

// SecondFactorBody is what a person has beside the password; never a secret.
type SecondFactorBody struct {
	App       *time.Time  `json:"app_since,omitempty" doc:"Since when an authenticator app is set up; absent: none"`
	Passkeys  []string    `json:"passkeys" doc:"Names of the passkeys"`
	CodesLeft int         `json:"recovery_codes_left"`
	State     SecondState `json:"state" enum:"fine,due,resting" doc:"How the person stands to the town's rule"`
	Due       *time.Time  `json:"due,omitempty" doc:"Until when the person's roles go on without a second factor"`
}

// SignInRuleBody is the town's rule about second factors.
type SignInRuleBody struct {
	Roles     []Role     `json:"roles" doc:"Whoever has one of them needs a second factor"`
	GraceDays int        `json:"grace_days" minimum:"0" maximum:"90"`
	Since     *time.Time `json:"since,omitempty" readOnly:"true"`
}

type signInRuleIn struct{ Body SignInRuleBody }

// secondAPI adds what administrators do about second factors. Setting one up is
// not there on purpose: a script that could plant a factor could take over its
// person.
func (r *Room) secondAPI(a *web.API) {
	op := func(method, path, id, summary string) huma.Operation {
		return huma.Operation{Method: method, Path: "/api/v1" + path, OperationID: id, Summary: summary, Tags: []string{"people"}}
	}
	web.Operation(a, op(http.MethodGet, "/people/{id}/second-factor", "get-second-factor", "Show what a person has beside the password"), scopePeople, r.apiSecond)
	web.Operation(a, op(http.MethodDelete, "/people/{id}/second-factor", "reset-second-factor", "Take all second factors from a person who has lost them"), scopePeople, r.apiSecondReset)
	web.Operation(a, op(http.MethodGet, "/sign-in-rule", "get-sign-in-rule", "Show who needs a second factor"), scopeAdmin, r.apiRule)
	web.Operation(a, op(http.MethodPut, "/sign-in-rule", "put-sign-in-rule", "Say who needs a second factor"), scopeAdmin, r.apiPutRule)
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (r *Room) apiSecond(ctx context.Context, in *personIn) (*web.One[SecondFactorBody], error) {
	s, err := r.SecondOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	p, err := r.Person(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	t, err := r.Current(ctx)
	if err != nil {
		return nil, err
	}
	state, due := t.SecondPolicy.Judge(p, r.o.Clock.Now())
	names := make([]string, len(s.Passkeys))
	for i, k := range s.Passkeys {
		names[i] = k.Name
	}
	return &web.One[SecondFactorBody]{Body: SecondFactorBody{App: moment(s.TOTPSince), Passkeys: names, CodesLeft: s.Codes, State: state, Due: moment(due)}}, nil
}

func (r *Room) apiSecondReset(ctx context.Context, in *personIn) (*struct{}, error) {
	return &struct{}{}, r.ResetSecond(ctx, in.ID)
}

func (r *Room) apiRule(ctx context.Context, _ *struct{}) (*web.One[SignInRuleBody], error) {
	t, err := r.Current(ctx)
	b := SignInRuleBody{Roles: t.SecondPolicy.Roles, GraceDays: t.SecondPolicy.GraceDays, Since: moment(t.SecondPolicy.Since)}
	if b.Roles == nil {
		b.Roles = []Role{}
	}
	return &web.One[SignInRuleBody]{Body: b}, err
}

func (r *Room) apiPutRule(ctx context.Context, in *signInRuleIn) (*web.One[SignInRuleBody], error) {
	if err := r.SaveSecondPolicy(ctx, in.Body.Roles, in.Body.GraceDays); err != nil {
		return nil, err
	}
	return r.apiRule(ctx, nil)
}
