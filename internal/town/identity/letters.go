package identity

import (
	"context"

	"tuermer/internal/platform/i18n"
)

// post sends a letter with the sentences key+"_subject" and key+"_body". The
// texts get the person's name, the town, the link and a number.
func (r *Room) post(ctx context.Context, p Person, to, key, link string, n int) error {
	if r.o.Post == nil {
		return nil
	}
	t, err := r.Current(ctx)
	if err != nil {
		return err
	}
	lang := p.Language
	if lang == "" {
		lang = t.Language
	}
	catalog, err := i18n.NewCatalog(texts)
	if err != nil {
		return err
	}
	args := []any{p.Name, t.Name, link, n}
	return r.o.Post(ctx, Letter{
		To: to, Person: p,
		Subject: catalog.Text(i18n.Parse(lang), key+"_subject", args...),
		Body:    catalog.Text(i18n.Parse(lang), key+"_body", args...),
	})
}
