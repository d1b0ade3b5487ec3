package editorial

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/web"
)

// postBody is a post as programs see it.
type postBody struct {
	ID          string     `json:"id"`
	Account     string     `json:"account" doc:"Channel that carries it"`
	Text        string     `json:"text"`
	Humour      bool       `json:"humour" doc:"Light-hearted; needs a reason to go out in a crisis"`
	Due         *time.Time `json:"due,omitempty"`
	State       string     `json:"state" enum:"draft,submitted,scheduled,held,sending,published,failed,discarded"`
	Author      string     `json:"author" doc:"Name"`
	Approver    string     `json:"approver,omitempty" doc:"Name"`
	HeldFor     string     `json:"held_for,omitempty" doc:"Id of the incident whose crisis stopped it"`
	Releaser    string     `json:"releaser,omitempty" doc:"Name of who let it go all the same"`
	Reason      string     `json:"reason,omitempty"`
	PublishedAt *time.Time `json:"published_at,omitempty"`
}

func bodyOf(p Post) postBody {
	return postBody{
		ID: string(p.ID), Account: p.Account, Text: p.Text, Humour: p.Humour, Due: orNil(p.Due), State: string(p.State), Author: p.Author.Name,
		Approver: p.Approver.Name, HeldFor: string(p.HeldFor), Releaser: p.Releaser.Name, Reason: p.Reason, PublishedAt: orNil(p.PublishedAt),
	}
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type postQuery struct {
	web.Paging
	State string `query:"state" enum:"draft,submitted,scheduled,held,sending,published,failed,discarded"`
}

type postWords struct {
	Account string    `json:"account,omitempty" doc:"Without it, the town's only one"`
	Text    string    `json:"text" maxLength:"20000"`
	Humour  bool      `json:"humour,omitempty"`
	Due     time.Time `json:"due,omitzero" doc:"When it goes out once approved; absent: at once"`
}

type postNew struct{ Body postWords }

type postEdit struct {
	ID   string `path:"id"`
	Body postWords
}

type postPath struct {
	ID string `path:"id"`
}

type postReason struct {
	ID   string `path:"id"`
	Body struct {
		Reason string    `json:"reason,omitempty" maxLength:"300"`
		Due    time.Time `json:"due,omitzero"`
	}
}

// API hangs the posts into /api/v1.
func (r *Room) API(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/posts" + path, Summary: summary, Tags: []string{"posts"}, DefaultStatus: status}
	}
	one := func(p Post, err error) (*web.One[postBody], error) { return &web.One[postBody]{Body: bodyOf(p)}, err }
	web.Operation(a, op("list-posts", http.MethodGet, "", "List planned and published posts", 200), scope,
		func(ctx context.Context, in *postQuery) (*web.List[postBody], error) {
			all, err := r.List(ctx, Filter{State: State(in.State), After: ID(in.After), Limit: in.Limit})
			items, next := make([]postBody, len(all)), ""
			for i, p := range all {
				items[i] = bodyOf(p)
			}
			if len(all) == in.Limit {
				next = items[in.Limit-1].ID
			}
			return web.NewList(items, next), err
		})
	web.Operation(a, op("create-post", http.MethodPost, "", "Write a draft", 201), scope,
		func(ctx context.Context, in *postNew) (*web.One[postBody], error) {
			return one(r.Create(ctx, Post{Account: in.Body.Account, Text: in.Body.Text, Humour: in.Body.Humour, Due: in.Body.Due}))
		})
	web.Operation(a, op("get-post", http.MethodGet, "/{id}", "Show one post", 200), scope,
		func(ctx context.Context, in *postPath) (*web.One[postBody], error) { return one(r.Get(ctx, ID(in.ID))) })
	web.Operation(a, op("change-post", http.MethodPut, "/{id}", "Change a draft as a whole", 200), scope,
		func(ctx context.Context, in *postEdit) (*web.One[postBody], error) {
			return one(r.Change(ctx, ID(in.ID), in.Body.Text, in.Body.Account, in.Body.Humour, in.Body.Due))
		})
	web.Operation(a, op("submit-post", http.MethodPost, "/{id}/submit", "Ask for approval", 200), scope,
		func(ctx context.Context, in *postPath) (*web.One[postBody], error) {
			return one(r.Submit(ctx, ID(in.ID)))
		})
	web.Operation(a, op("approve-post", http.MethodPost, "/{id}/approve", "Approve as a second person; held while a crisis lasts", 200), scope,
		func(ctx context.Context, in *postPath) (*web.One[postBody], error) {
			return one(r.Approve(ctx, ID(in.ID)))
		})
	web.Operation(a, op("return-post", http.MethodPost, "/{id}/return", "Give it back to its author", 200), scope,
		func(ctx context.Context, in *postReason) (*web.One[postBody], error) {
			return one(r.Return(ctx, ID(in.ID), in.Body.Reason))
		})
	web.Operation(a, op("release-post", http.MethodPost, "/{id}/release", "Let a held post go", 200), scope,
		func(ctx context.Context, in *postReason) (*web.One[postBody], error) {
			return one(r.Release(ctx, ID(in.ID), in.Body.Reason, in.Body.Due))
		})
	web.Operation(a, op("discard-post", http.MethodPost, "/{id}/discard", "End a post that has not gone out", 200), scope,
		func(ctx context.Context, in *postReason) (*web.One[postBody], error) {
			return one(r.Discard(ctx, ID(in.ID), in.Body.Reason))
		})
}
