package messenger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"tuermer/internal/town/channel"
)

const (
	syncWait   = 25 * time.Second // that the server may wait for news
	syncRound  = time.Second      // between two questions, whatever the server does
	maxBatch   = 4 << 20
	maxRooms   = 1000 // of one answer
	maxNews    = 100  // of one room in it
	maxMine    = 2000 // of our messages that are remembered
	oldReceipt = 24 * time.Hour
)

// mine is a message of ours, by the server's name of it.
type mine struct{ room, event string }

// RoomNews is what one room said since the last time.
type RoomNews struct {
	Room string
	Read []string // events up to which somebody else has read
	Said []channel.Reply
}

// remember keeps the order of our messages: whoever has read one has read those
// before it, and no receipt says so.
func (a *Adapter) remember(to, event string) {
	if a.o.Form != channel.Matrix || event == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mine = append(a.mine, mine{strings.TrimPrefix(to, string(channel.Matrix)+":"), event})
	if len(a.mine) > maxMine {
		a.mine = slices.Clone(a.mine[len(a.mine)-maxMine/2:])
	}
}

// upTo are our messages in the room up to an event, or the event alone where it is
// none that we remember.
func (a *Adapter) upTo(room, event string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := slices.Index(a.mine, mine{room, event})
	if last < 0 {
		return []string{event}
	}
	var read []string
	var rest []mine
	for i, m := range a.mine {
		if i <= last && m.room == room {
			read = append(read, m.event)
		} else {
			rest = append(rest, m)
		}
	}
	a.mine = rest
	return read
}

// follow asks the server for news until that fails; heard: it answered.
func (a *Adapter) follow(ctx context.Context) (heard bool, err error) {
	if a.me == "" {
		if a.me, err = a.whoami(ctx); err != nil {
			return false, err
		}
	}
	for {
		round := time.NewTimer(syncRound)
		err := a.round(ctx)
		if err == nil {
			heard = true
			select {
			case <-round.C:
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		round.Stop()
		return heard, err
	}
}

// round is one question and what follows from its answer. The place in the server's
// news moves on once all is written down.
func (a *Adapter) round(ctx context.Context) error {
	filter, err := json.Marshal(map[string]any{
		"presence": none, "account_data": none,
		"room": map[string]any{
			"account_data": none, "state": none, "ephemeral": map[string]any{"types": []string{"m.receipt"}},
			"timeline": map[string]any{"types": []string{"m.room.message"}, "not_senders": []string{a.me}, "limit": 20},
		},
	})
	if err != nil {
		return err
	}
	q := url.Values{"filter": {string(filter)}, "set_presence": {"offline"}, "timeout": {"0"}}
	first := a.since == ""
	if !first {
		q.Set("since", a.since)
		q.Set("timeout", strconv.FormatInt(syncWait.Milliseconds(), 10))
	}
	body, status, err := a.matrix(ctx, q, "sync")
	switch {
	case errors.Is(err, errTooMuch) || status == http.StatusBadRequest && !first:
		a.since = "" // begin anew: what was said in between is lost, and the next way follows
		return err
	case err != nil:
		return err
	}
	next, news := Synced(string(body), a.me, a.o.Now().Add(-oldReceipt))
	if next == "" {
		return errors.New("the answer is no sync")
	}
	for _, n := range news {
		if first {
			n.Said = nil // said before we listened
		}
		if len(n.Read)+len(n.Said) == 0 {
			continue
		}
		alone, err := a.alone(ctx, n.Room)
		if err != nil {
			return err
		}
		if !alone {
			a.o.Log.WarnContext(ctx, "a Matrix room of several people tells nothing of one of them", "route", a.o.Name)
			continue
		}
		var reports []channel.Report
		for _, event := range n.Read {
			for _, e := range a.upTo(n.Room, event) {
				reports = append(reports, channel.Report{Reference: e, Arrival: channel.Arrived})
			}
		}
		a.note(ctx, reports, n.Said, func(time.Duration) {})
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	a.since = next
	return nil
}

var none = map[string]any{"types": []string{}}

// Synced reads an answer of the server: where the next one begins, and what people
// other than me have read since oldest, or said.
func Synced(batch, me string, oldest time.Time) (next string, news []RoomNews) {
	if !gjson.Valid(batch) {
		return "", nil
	}
	gjson.Get(batch, "rooms.join").ForEach(func(room, r gjson.Result) bool {
		n := RoomNews{Room: room.String()}
		r.Get("ephemeral.events").ForEach(func(_, e gjson.Result) bool {
			if e.Get("type").String() != "m.receipt" {
				return true
			}
			e.Get("content").ForEach(func(event, kinds gjson.Result) bool {
				kinds.ForEach(func(kind, users gjson.Result) bool {
					if kind.String() != "m.read" {
						return true
					}
					users.ForEach(func(user, when gjson.Result) bool {
						read := user.String() != me && user.String() != "" && when.Get("ts").Int() >= oldest.UnixMilli()
						if read && good(event.String()) && !slices.Contains(n.Read, event.String()) {
							n.Read = append(n.Read, event.String())
						}
						return true
					})
					return true
				})
				return len(n.Read) < maxNews
			})
			return len(n.Read) < maxNews
		})
		r.Get("timeline.events").ForEach(func(_, e gjson.Result) bool {
			text := spoken(e.Get("content.body").String())
			if e.Get("type").String() == "m.room.message" && e.Get("content.msgtype").String() == "m.text" && e.Get("sender").String() != me &&
				e.Get(`content.m\.relates_to.rel_type`).String() != "m.replace" && text != "" && good(e.Get("event_id").String()) {
				n.Said = append(n.Said, channel.Reply{ID: e.Get("event_id").String(), From: string(channel.Matrix) + ":" + n.Room, Text: text})
			}
			return len(n.Said) < maxNews
		})
		if strings.HasPrefix(n.Room, "!") && len(n.Read)+len(n.Said) > 0 {
			news = append(news, n)
		}
		return len(news) < maxRooms
	})
	return gjson.Get(batch, "next_batch").String(), news
}

// good is whether a name of an event can be one of ours.
func good(event string) bool {
	return strings.HasPrefix(event, "$") && len(event) <= 255 && !strings.ContainsFunc(event, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// spoken is what somebody wrote, without the words that they answer to.
func spoken(body string) string {
	for strings.HasPrefix(body, ">") {
		_, body, _ = strings.Cut(body, "\n")
	}
	if body = strings.TrimSpace(strings.ToValidUTF8(body, "\uFFFD")); len(body) > 2000 {
		body = strings.ToValidUTF8(body[:2000], "")
	}
	return body
}

// alone is whether one person is in the room beside us. In a larger one nobody knows
// whose eyes have read, so the next way follows.
func (a *Adapter) alone(ctx context.Context, room string) (bool, error) {
	body, status, err := a.matrix(ctx, nil, "rooms", url.PathEscape(room), "joined_members")
	if status/100 == 4 && status != http.StatusTooManyRequests {
		return false, nil // we are no longer in it
	}
	if err != nil {
		return false, err
	}
	n := 0
	gjson.GetBytes(body, "joined").ForEach(func(_, _ gjson.Result) bool { n++; return n < 3 })
	return n == 2, nil
}

func (a *Adapter) whoami(ctx context.Context) (string, error) {
	body, _, err := a.matrix(ctx, nil, "account", "whoami")
	if err != nil {
		return "", err
	}
	me := gjson.GetBytes(body, "user_id").String()
	if !strings.HasPrefix(me, "@") {
		return "", errors.New("the server does not say whose token this is")
	}
	return me, nil
}

var errTooMuch = errors.New("the answer is too long")

// matrix asks the client-server API. Its error names no address.
func (a *Adapter) matrix(ctx context.Context, q url.Values, path ...string) (body []byte, status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, syncWait+3*a.o.Timeout)
	defer cancel()
	u, err := url.Parse(a.o.URL)
	if err != nil {
		return nil, 0, errors.New("the address is no http or https URL")
	}
	u = u.JoinPath(append([]string{"_matrix", "client", "v3"}, path...)...)
	u.RawQuery = q.Encode()
	resp, err := a.ask(ctx, u.String())
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, resp.StatusCode, fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBatch+1))
	if err == nil && len(body) > maxBatch {
		err = errTooMuch
	}
	return body, resp.StatusCode, err
}
