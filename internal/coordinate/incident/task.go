package incident

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// Plan knows who looks after which audience.
type Plan interface {
	Audiences(ctx context.Context) ([]plan.Audience, error)
}

// Outbox carries the letter that tells of a task.
type Outbox interface {
	Send(ctx context.Context, m channel.Message) error
}

// TaskID names a task.
type TaskID string

// Task / Auftrag is what somebody is to do about an incident.
type Task struct {
	ID       TaskID
	Incident ID
	Audience string // slug; empty: given by a person
	Title    string
	Owner    string // mail address; empty: unstaffed
	Deputy   string
	Due      time.Time // zero: no time
	At       time.Time
	ByName   string
	DoneAt   time.Time // zero: open
	DoneName string
}

// Open reports whether it is still to be done.
func (t Task) Open() bool { return t.DoneAt.IsZero() }

// EntryTask is the kind of journal entries about tasks.
const EntryTask EntryKind = "task"

// ErrNoTask says that there is no such task.
var ErrNoTask = fault.New(fault.NotFound, "incident.no_task")

type taskRow struct {
	bun.BaseModel `bun:"table:incident_task"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            TaskID       `bun:"id,pk"`
	IncidentID    ID           `bun:"incident_id"`
	Audience      string       `bun:"audience"`
	Title         string       `bun:"title"`
	Owner         string       `bun:"owner"`
	Deputy        string       `bun:"deputy"`
	DueAt         time.Time    `bun:"due_at,nullzero"`
	CreatedAt     time.Time    `bun:"created_at"`
	CreatedName   string       `bun:"created_name"`
	DoneAt        time.Time    `bun:"done_at,nullzero"`
	DoneName      string       `bun:"done_name"`
}

func (row taskRow) task() Task {
	return Task{
		ID: row.ID, Incident: row.IncidentID, Audience: row.Audience, Title: row.Title, Owner: row.Owner, Deputy: row.Deputy,
		Due: when(row.DueAt), At: when(row.CreatedAt), ByName: row.CreatedName, DoneAt: when(row.DoneAt), DoneName: row.DoneName,
	}
}

// subscribeTasks makes the room give tasks when an incident becomes certain or
// graver.
func (r *Room) subscribeTasks(b *bus.Bus) {
	if r.o.Plan == nil {
		return
	}
	bus.On(b, Opened, "incident.tasks_opened", func(ctx context.Context, e bus.Event[Happened]) error { return r.giveTasks(ctx, e.Data.ID) })
	bus.On(b, Changed, "incident.tasks_changed", func(ctx context.Context, e bus.Event[Happened]) error { return r.giveTasks(ctx, e.Data.ID) })
	bus.On(b, PhaseChanged, "incident.tasks_phase", func(ctx context.Context, e bus.Event[PhaseChange]) error { return r.giveTasks(ctx, e.Data.ID) })
	bus.On(b, LevelChanged, "incident.tasks_level", func(ctx context.Context, e bus.Event[LevelChange]) error { return r.giveTasks(ctx, e.Data.ID) })
}

// giveTasks gives each owner of a concerned audience the task to tell them
// (R1.3), once per incident; from emergency on every audience is concerned. An
// audience without an owner gets its task too: somebody must see that it is
// nobody's.
func (r *Room) giveTasks(ctx context.Context, id ID) error {
	ctx = ident.WithActor(ctx, ident.System)
	err := r.locked(ctx, id, func(ctx context.Context, t *tx) error {
		if !slices.Contains([]Phase{Confirmed, Identified, Monitoring}, t.inc.Phase) {
			return nil
		}
		all, err := r.o.Plan.Audiences(ctx)
		if err != nil || len(all) == 0 {
			return err
		}
		var catalogue []service.Service
		if c, ok := r.o.Services.(Catalogue); ok {
			if catalogue, err = c.List(ctx); err != nil {
				return err
			}
		}
		concerned := plan.Concerned(catalogue, t.inc.Services, all)
		for _, a := range all {
			if t.inc.Level == Disruption && !slices.Contains(concerned, a.Slug) {
				continue
			}
			if t.inc.Private && a.Kind.Public() {
				continue // they hear nothing of it (I17)
			}
			if err := r.giveTask(ctx, t, a); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (r *Room) giveTask(ctx context.Context, t *tx, a plan.Audience) error {
	confirmed := t.inc.ConfirmedAt
	if confirmed.IsZero() {
		confirmed = t.now
	}
	row := taskRow{
		TenantID: t.tenant, ID: TaskID(ident.NewID(t.now)), IncidentID: t.inc.ID, Audience: a.Slug, Title: t.say("task_title", a.Name),
		Owner: a.Owner, Deputy: a.Deputy, DueAt: confirmed.Add(a.First()), CreatedAt: t.now, CreatedName: ident.System.Name,
	}
	res, err := t.db.NewInsert().Model(&row).On("CONFLICT DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("incident: task: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	said := t.say("task_given", row.Title, row.Owner)
	if row.Owner == "" {
		said = t.say("task_nobody", row.Title)
	}
	if err := t.entry(ctx, EntryTask, said, string(row.ID)); err != nil {
		return err
	}
	return r.tellOwner(ctx, t, row.task())
}

// tellOwner writes to whoever has the task; to the deputy where nobody owns it.
func (r *Room) tellOwner(ctx context.Context, t *tx, k Task) error {
	to := k.Owner
	if to == "" {
		to = k.Deputy
	}
	if r.o.Outbox == nil || to == "" {
		return nil
	}
	town, err := r.o.Town.Current(ctx)
	if err != nil {
		return err
	}
	l := i18n.Locale{Catalog: r.texts, Lang: t.lang, Now: t.now, Zone: r.zone(ctx)}
	subject := t.say("task_subject", k.Title, t.inc.Title)
	if t.inc.Realm == Exercise {
		subject = t.say("task_exercise", subject)
	}
	return r.o.Outbox.Send(ctx, channel.Message{
		ID: "task-" + string(k.ID), Kind: channel.Mail, Class: channel.Single, Realm: channel.Realm(t.inc.Realm), To: to,
		Subject: subject, Text: t.say("task_letter", t.inc.Title, k.Title, l.Short(k.Due), strings.TrimRight(town.StaffURL, "/")+href(t.inc)),
		Language: town.Language, Automatic: true, Thread: "incident-" + string(t.inc.ID),
	})
}

// Tasks are those of an incident, open ones first, then by time.
func (r *Room) Tasks(ctx context.Context, id ID) ([]Task, error) {
	return r.tasks(ctx, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("incident_id = ?", id) })
}

// TasksOf are the open tasks of a person, by mail address.
func (r *Room) TasksOf(ctx context.Context, mail string) ([]Task, error) {
	return r.tasks(ctx, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("owner = ? AND done_at IS NULL", r.o.Store.Sealed("incident_task.owner", mail))
	})
}

func (r *Room) tasks(ctx context.Context, with func(*bun.SelectQuery) *bun.SelectQuery) ([]Task, error) {
	var rows []taskRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("due_at", "id").Limit(500)
	if err := with(q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("incident: tasks: %w", err)
	}
	out := make([]Task, len(rows))
	for i, row := range rows {
		out[i] = row.task()
	}
	slices.SortStableFunc(out, func(a, b Task) int {
		switch {
		case a.Open() == b.Open():
			return 0
		case a.Open():
			return -1
		}
		return 1
	})
	return out, nil
}

// AddTask gives somebody a task about an incident.
func (r *Room) AddTask(ctx context.Context, id ID, k Task) (Task, error) {
	err := r.change(ctx, id, func(ctx context.Context, t *tx) error {
		if k.Title = line(k.Title); k.Title == "" {
			return ErrNoText.Field("title", "incident.text_missing")
		}
		row := taskRow{
			TenantID: t.tenant, ID: TaskID(ident.NewID(t.now)), IncidentID: id, Title: k.Title, Owner: line(k.Owner), DueAt: k.Due,
			CreatedAt: t.now, CreatedName: ident.ActorOf(ctx).Name,
		}
		if _, err := t.db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("incident: task: %w", err)
		}
		k = row.task()
		return t.entry(ctx, EntryTask, t.say("task_given", k.Title, k.Owner), string(k.ID))
	})
	return k, err
}

// FinishTask says that a task is done. A second time changes nothing.
func (r *Room) FinishTask(ctx context.Context, id ID, task TaskID) error {
	return r.change(ctx, id, func(ctx context.Context, t *tx) error {
		var row taskRow
		err := t.db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ? AND incident_id = ?", t.tenant, task, id).Scan(ctx)
		if store.NotFound(err) {
			return ErrNoTask
		}
		if err != nil {
			return fmt.Errorf("incident: task: %w", err)
		}
		if !row.DoneAt.IsZero() {
			return nil
		}
		row.DoneAt, row.DoneName = t.now, ident.ActorOf(ctx).Name
		if _, err := t.db.NewUpdate().Model(&row).Column("done_at", "done_name").WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("incident: task: %w", err)
		}
		return t.entry(ctx, EntryTask, t.say("task_done", row.Title), string(task))
	})
}
