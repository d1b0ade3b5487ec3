package publish

import (
	"maps"
	"slices"
	"time"

	"tuermer/internal/inform/template"
)

type approvalBody struct {
	Way         string     `json:"way" enum:"second_person,direct,template,phone,break_glass"`
	By          string     `json:"by"`
	ByName      string     `json:"by_name"`
	At          time.Time  `json:"at"`
	PublishedBy string     `json:"published_by,omitempty" doc:"Who pressed the button, when that was somebody else"`
	Reason      string     `json:"reason,omitempty"`
	Phone       *PhoneCall `json:"phone,omitempty"`
	Unconfirmed bool       `json:"unconfirmed" doc:"Has yet to be approved afterwards"`
	ConfirmedBy string     `json:"confirmed_by,omitempty"`
	ConfirmedAt *time.Time `json:"confirmed_at,omitempty"`
}

type variantBody struct {
	Audience     string     `json:"audience"`
	AudienceKind string     `json:"audience_kind"`
	Format       string     `json:"format" doc:"page, mail, sms, push, short300, short500, messenger, phone, notice, rss"`
	Language     string     `json:"language"`
	Subject      string     `json:"subject,omitempty"`
	Title        string     `json:"title,omitempty"`
	Body         string     `json:"body"`
	AsOf         time.Time  `json:"as_of" doc:"Stand"`
	Next         *time.Time `json:"next_update,omitempty"`
	Entry        string     `json:"entry" doc:"The prepared text that it comes from"`
	Version      int        `json:"version"`
	Review       string     `json:"review" doc:"How far the prepared text was checked: approved, draft, draft_unchecked"`
	Over         []string   `json:"over" doc:"Parts longer than the format holds"`
	Untranslated []string   `json:"untranslated" doc:"Facts shown in German"`
}

type countsBody struct {
	Total    int `json:"total"`
	Accepted int `json:"accepted"`
	Waiting  int `json:"waiting"`
	Failed   int `json:"failed"`
	Skipped  int `json:"skipped"`
}

type statementBody struct {
	ID          string               `json:"id"`
	Incident    string               `json:"incident"`
	Kind        string               `json:"kind"`
	State       string               `json:"state" enum:"draft,submitted,published,withdrawn"`
	Realm       string               `json:"realm" enum:"live,exercise"`
	Level       string               `json:"level"`
	Revision    int                  `json:"revision"`
	Version     int                  `json:"version"`
	Corrects    string               `json:"corrects,omitempty"`
	CorrectedBy string               `json:"corrected_by,omitempty"`
	Correction  string               `json:"correction,omitempty"`
	Facts       map[string]any       `json:"facts"`
	Audiences   []string             `json:"audiences"`
	Languages   []string             `json:"languages"`
	Next        map[string]time.Time `json:"next_updates"`
	Authors     []string             `json:"authors"`
	Note        string               `json:"note,omitempty" doc:"Of whoever gave it back"`
	Approval    *approvalBody        `json:"approval,omitempty"`
	CreatedAt   time.Time            `json:"created_at"`
	SubmittedAt *time.Time           `json:"submitted_at,omitempty"`
	PublishedAt *time.Time           `json:"published_at,omitempty"`

	// Of a single statement only.
	NeedsSecond *bool         `json:"needs_second_person,omitempty"`
	PreApproved string        `json:"approved_beforehand_by,omitempty" doc:"Who has released the prepared text"`
	Missing     []string      `json:"missing,omitempty" doc:"Facts that must be told or called unknown"`
	Recipients  *int          `json:"recipients,omitempty"`
	Delivery    *countsBody   `json:"delivery,omitempty"`
	Handed      []handedBody  `json:"handed_on,omitempty" doc:"Audiences whom mail did not reach as a whole, and the plan's next way"`
	Variants    []variantBody `json:"variants,omitempty"`
}

type handedBody struct {
	Audience string `json:"audience"`
	Lost     int    `json:"lost"`
	Next     string `json:"next_way,omitempty" doc:"Empty: the plan has no other way"`
	ByHand   bool   `json:"by_hand" doc:"People carry it; there is a task"`
}

type deliveryBody struct {
	ID        string     `json:"id"`
	Audience  string     `json:"audience"`
	Recipient string     `json:"recipient"`
	Channel   string     `json:"channel"`
	State     string     `json:"state"`
	Reason    string     `json:"reason,omitempty"`
	Attempts  int        `json:"attempts"`
	NextAt    *time.Time `json:"next_at,omitempty"`
	SentAt    *time.Time `json:"sent_at,omitempty"`
	Route     string     `json:"route,omitempty"`
	Reference string     `json:"reference,omitempty"`
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func strs[S ~string](in []S) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

// plainBody is a statement without its words.
func plainBody(s Statement) statementBody {
	b := statementBody{
		ID: string(s.ID), Incident: string(s.Incident), Kind: string(s.Kind), State: string(s.State), Realm: string(s.Realm),
		Level: string(s.Level), Revision: s.Revision, Version: s.Version, Corrects: string(s.Corrects), CorrectedBy: string(s.CorrectedBy),
		Correction: s.Correction, Facts: map[string]any{}, Audiences: strs(s.Audiences), Languages: strs(s.Languages),
		Next: map[string]time.Time{}, Authors: s.AuthorNames(), Note: s.Note, CreatedAt: s.CreatedAt,
		SubmittedAt: orNil(s.SubmittedAt), PublishedAt: orNil(s.PublishedAt),
	}
	maps.Copy(b.Next, s.Next)
	for slot, v := range s.Facts {
		b.Facts[FactKey(slot)] = factOut(slot, v)
	}
	if a := s.Approval; a.Way != "" {
		b.Approval = &approvalBody{
			Way: string(a.Way), By: string(a.By), ByName: a.ByName, At: a.At, PublishedBy: a.PublishedBy, Reason: a.Reason, Phone: a.Phone,
			Unconfirmed: a.Unconfirmed(), ConfirmedBy: a.ConfirmedByName, ConfirmedAt: orNil(a.ConfirmedAt),
		}
	}
	return b
}

// factOut writes a fact so that [ParseFacts] reads the same again.
func factOut(slot template.Slot, v template.Value) any {
	d, _ := template.Lookup(slot)
	switch {
	case v.IsUnknown():
		return nil
	case d.Kind == template.KindSwitch:
		return !v.Off
	case !v.At.IsZero():
		return v.At.UTC().Format(time.RFC3339)
	case v.For > 0:
		return v.For.String()
	case v.EN != "" || v.LS != "" || v.Short != "":
		out := map[string]string{"text": v.Text}
		for k, s := range map[string]string{"en": v.EN, "ls": v.LS, "short": v.Short} {
			if s != "" {
				out[k] = s
			}
		}
		return out
	default:
		return v.Text
	}
}

func bodyOf(p Preview) statementBody {
	b := plainBody(p.Statement)
	n := p.Recipients()
	b.NeedsSecond, b.PreApproved, b.Recipients = &p.FourEyes, p.PreApprovedBy, &n
	for _, s := range p.Missing {
		b.Missing = append(b.Missing, FactKey(s))
	}
	b.Variants = make([]variantBody, 0, len(p.Variants))
	for _, v := range p.Variants {
		b.Variants = append(b.Variants, variantBody{
			Audience: v.Audience, AudienceKind: string(v.Kind), Format: string(v.Format), Language: string(v.Language),
			Subject: v.Subject, Title: v.Title, Body: v.Body, AsOf: v.AsOf, Next: orNil(v.Next), Entry: v.Entry,
			Version: v.EntryVersion, Review: string(v.Review), Over: strs(v.Over), Untranslated: factNames(v.Untranslated),
		})
	}
	return b
}

func factNames(slots []template.Slot) []string {
	out := make([]string, len(slots))
	for i, s := range slots {
		out[i] = FactKey(s)
	}
	slices.Sort(out)
	return out
}
