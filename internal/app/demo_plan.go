package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"

	"tuermer/internal/town/plan"
)

// lay enters the demo town's communication plan, as the API would: contacts
// confirmed today, valid for half a year, the suggested lists taken but for two.
func (t demoTown) lay(ctx context.Context, a *App) error {
	raw, err := yaml.YAMLToJSON(t.plan)
	if err != nil {
		return fmt.Errorf("app: demo plan: %w", err)
	}
	var own plan.Document
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&own); err != nil {
		return fmt.Errorf("app: demo plan: %w", err)
	}
	offer, err := plan.Offered(t.config.Town.Language)
	if err != nil {
		return err
	}
	now := a.o.Clock.Now()
	_, err = a.plan.Edit(ctx, plan.Whole, -1, func(d *plan.Document) error {
		profiles := d.Profiles
		*d = own
		for slug, p := range profiles {
			if _, known := d.Profiles[slug]; !known {
				d.Profiles[slug] = p
			}
		}
		d.Lists, d.Holding = offer.Lists, offer.Holding
		delete(d.Lists, plan.PressList)
		delete(d.Lists, plan.StaffInfo)
		for i := range d.Contacts {
			d.Contacts[i].Confirmed = now.Format("2006-01-02")
		}
		d.Cover.ValidUntil = now.AddDate(0, 6, 0).Format("2006-01-02")
		return nil
	})
	return err
}
