package messenger

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"tuermer/internal/town/channel"
)

const (
	maxEvent   = 1 << 20
	firstPause = time.Second
	maxPause   = time.Minute
	// silence is how long signal-cli may say nothing; it sends a sign of life every
	// fifteen seconds.
	silence = time.Minute
)

// Start listens until Stop, where the messenger tells anything.
func (a *Adapter) Start(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cancel != nil || a.o.Form != channel.Signal && a.o.Form != channel.Matrix {
		return
	}
	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	a.done = done
	go func() {
		defer close(done)
		a.listen(ctx)
	}()
}

// Stop ends listening. It may be called twice.
func (a *Adapter) Stop() {
	a.mu.Lock()
	cancel, done := a.cancel, a.done
	a.cancel = nil
	a.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// beside is an address of signal-cli beside that of its JSON-RPC.
func (a *Adapter) beside(name string) string {
	u, err := url.Parse(a.o.URL)
	if err != nil {
		return ""
	}
	u = u.JoinPath("..", name)
	if a.o.From != "" {
		u.RawQuery = url.Values{"account": {a.o.From}}.Encode()
	}
	return u.String()
}

func (a *Adapter) listen(ctx context.Context) {
	pause, hear := firstPause, a.hear
	if a.o.Form == channel.Matrix {
		hear = a.follow
	}
	for ctx.Err() == nil {
		heard, err := hear(ctx)
		if ctx.Err() != nil {
			return
		}
		if heard {
			pause = firstPause
		}
		a.o.Log.WarnContext(ctx, "a messenger is not heard", "route", a.o.Name, "err", err, "again_in", pause)
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		wait.Stop()
		pause = min(2*pause, maxPause)
	}
}

// open asks for an address beside the JSON-RPC. Its error names no address.
func (a *Adapter) open(ctx context.Context, name string) (*http.Response, error) {
	resp, err := a.ask(ctx, a.beside(name))
	if err == nil && resp.StatusCode/100 != 2 {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return resp, err
}

// ask sends one GET by the account's right.
func (a *Adapter) ask(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address is no http or https URL")
	}
	req.Header.Set("User-Agent", a.o.UserAgent)
	if s := a.o.Secret(); s != "" {
		req.Header.Set("Authorization", "Bearer "+s)
	}
	resp, err := a.ears.Do(req)
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	return resp, err
}

// Check asks whether the account can be written from, where that can be asked.
func (a *Adapter) Check(ctx context.Context) error {
	switch a.o.Form {
	case channel.Matrix:
		if _, err := a.whoami(ctx); err != nil {
			return &channel.Failure{RouteDown: true, Reason: "connect", Err: err}
		}
		return nil
	case channel.Threema, channel.Ntfy:
		return nil
	}
	resp, err := a.open(ctx, "check")
	if err != nil {
		return &channel.Failure{RouteDown: true, Reason: "connect", Err: err}
	}
	return resp.Body.Close()
}

// hear reads events until the line ends; heard: there was a line.
func (a *Adapter) hear(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := a.open(ctx, "events")
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	var data strings.Builder
	for lines.Scan() {
		quiet.Reset(silence)
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "data:") && data.Len() < maxEvent:
			data.WriteString(strings.TrimPrefix(strings.TrimPrefix(line, "data:"), " "))
		case line == "" && data.Len() > 0:
			a.tell(ctx, data.String(), quiet)
			data.Reset()
		}
	}
	return true, cmp.Or(lines.Err(), errors.New("the line has ended"))
}

// tell writes down what an event says, and tries again until it is written: it is
// not said twice.
func (a *Adapter) tell(ctx context.Context, event string, quiet *time.Timer) {
	reports, reply := Heard(event)
	a.note(ctx, reports, []channel.Reply{reply}, func(pause time.Duration) { quiet.Reset(pause + silence) })
}

// note writes down what was heard, again and again until it is; longer is told how
// long the next pause is.
func (a *Adapter) note(ctx context.Context, reports []channel.Report, replies []channel.Reply, longer func(pause time.Duration)) {
	pause := firstPause
	for ctx.Err() == nil {
		var err error
		for _, r := range reports {
			if a.o.Reported != nil {
				err = errors.Join(err, a.o.Reported(ctx, r))
			}
		}
		for _, reply := range replies {
			if reply.Text != "" && a.o.Replied != nil {
				err = errors.Join(err, a.o.Replied(ctx, reply))
			}
		}
		if err == nil {
			return
		}
		a.o.Log.WarnContext(ctx, "what a messenger told is not written down yet", "route", a.o.Name, "err", err)
		longer(pause)
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		wait.Stop()
		pause = min(2*pause, maxPause)
	}
}

// Heard reads one event of signal-cli: receipts of our messages, or what somebody
// wrote to us alone. What is said in a group is no answer.
func Heard(event string) (reports []channel.Report, reply channel.Reply) {
	if !gjson.Valid(event) {
		return nil, reply
	}
	e := gjson.Get(event, "envelope")
	if !e.IsObject() {
		e = gjson.Get(event, "params.envelope")
	}
	from := cmp.Or(e.Get("sourceNumber").String(), e.Get("source").String())
	if !strings.HasPrefix(from, "+") || len(from) > 16 || strings.Trim(from[1:], "0123456789") != "" {
		return nil, reply // who hides their number cannot be told from others
	}
	if r := e.Get("receiptMessage"); r.Get("isDelivery").Bool() || r.Get("isRead").Bool() {
		for _, at := range r.Get("timestamps").Array() {
			if n := at.Int(); n > 0 && len(reports) < 1000 {
				reports = append(reports, channel.Report{Reference: reference(from, fmt.Sprint(n)), Arrival: channel.Arrived})
			}
		}
	}
	if d := e.Get("dataMessage"); d.Get("message").String() != "" && !d.Get("groupInfo").Exists() && !d.Get("groupV2").Exists() {
		text := d.Get("message").String()
		if len(text) > 2000 {
			text = strings.ToValidUTF8(text[:2000], "")
		}
		reply = channel.Reply{ID: reference(from, fmt.Sprint(e.Get("timestamp").Int())), From: string(channel.Signal) + ":" + from, Text: text}
	}
	return reports, reply
}
