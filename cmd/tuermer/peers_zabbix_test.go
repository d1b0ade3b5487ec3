//go:build linux

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// zabbixTables are those of Zabbix' first data without which nobody can sign in; its
// hundreds of templates are left out.
var zabbixTables = []string{"role", "role_rule", "users", "usrgrp", "users_groups", "hstgrp", "config", "config_autoreg_tls", "globalmacro", "regexps", "expressions"}

const zabbixShare, zabbixPages = "/usr/share/zabbix-server-pgsql", "/usr/share/zabbix"

// zabbixReports lets Debian's Zabbix, with its server, its pages' API and its sender,
// import the media type that we print, raise a trigger, take a comment, and recover; and
// close one of two problems of a trigger that makes many.
func zabbixReports(t *testing.T, r *built) {
	server := "/usr/sbin/zabbix_server"
	for _, file := range []string{server, zabbixShare + "/schema.sql.gz", zabbixPages + "/api_jsonrpc.php"} {
		if _, err := os.Stat(file); err != nil {
			t.Skipf("Zabbix is not installed (script/setup peers): %v", err)
		}
	}
	for _, program := range []string{"zabbix_sender", "php", "cp"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (script/setup peers)", program)
		}
	}
	database, err := url.Parse(ownSchema(t))
	if err != nil {
		t.Fatal(err)
	}
	fillZabbix(t, database.String())

	h := r.house(t, townYAML)
	p := h.serve()
	token := h.token(bert)
	_, media := p.addSource(token, "zabbix", "zabbix")

	z := &zabbix{t: t, pages: port(t), trap: port(t)}
	z.start(h.dir, server, database)
	z.signIn()
	z.ask("configuration.import", map[string]any{
		"format": "yaml", "source": media, "rules": map[string]any{"mediaTypes": map[string]bool{"createMissing": true, "updateExisting": true}},
	}, nil)
	var types []struct{ Mediatypeid, Name string }
	z.ask("mediatype.get", map[string]any{"output": []string{"mediatypeid", "name"}}, &types)
	if len(types) != 1 {
		t.Fatalf("the media type that we print: %v", types)
	}
	medium := types[0].Mediatypeid
	// Whoever comments hears nothing of it there, so somebody else is told.
	var people struct{ Userids []string }
	z.ask("user.create", map[string]any{
		"username": "tuermer", "passwd": "geheim-und-lang-4711", "roleid": "3", "usrgrps": []map[string]string{{"usrgrpid": "7"}},
		"medias": []map[string]any{{"mediatypeid": medium, "sendto": "tuermer", "active": 0, "severity": 63, "period": "1-7,00:00-24:00"}},
	}, &people)
	// Before there is a trigger: what one finds while its server knows no action is told to
	// nobody, later neither.
	tell := map[string]any{"default_msg": 1, "mediatypeid": medium}
	z.ask("action.create", map[string]any{
		"name": "Tuermer", "eventsource": 0, "esc_period": "1h", "filter": map[string]any{"evaltype": 0, "conditions": []any{}},
		"operations":          []map[string]any{{"operationtype": 0, "opmessage": tell, "opmessage_usr": []map[string]string{{"userid": people.Userids[0]}}}},
		"recovery_operations": []map[string]any{{"operationtype": 11, "opmessage": map[string]int{"default_msg": 1}}},
		"update_operations":   []map[string]any{{"operationtype": 12, "opmessage": map[string]int{"default_msg": 1}}},
	}, nil)
	var made struct{ Hostids, Triggerids []string }
	z.ask("host.create", map[string]any{"host": "srv1", "name": "Server Archiv", "groups": []map[string]string{{"groupid": "2"}}}, &made)
	z.ask("item.create", map[string]any{"hostid": made.Hostids[0], "name": "Platte", "key_": "platte", "type": 2, "value_type": 3}, nil)
	z.ask("trigger.create", map[string]any{
		"description": `Platte "C:" ist voll & mehr`, "expression": "last(/srv1/platte)>90", "priority": 4, "opdata": "{ITEM.LASTVALUE1} %", "comments": "Zeile 1\nZeile 'zwei'",
	}, &made)
	trigger := made.Triggerids[0]
	z.ask("item.create", map[string]any{"hostid": made.Hostids[0], "name": "Protokoll", "key_": "protokoll", "type": 2, "value_type": 3}, nil)
	z.ask("trigger.create", map[string]any{
		"description": "Fehler im Protokoll", "expression": "last(/srv1/protokoll)>0", "priority": 4, "type": 1, "manual_close": 1,
	}, &made)
	many := made.Triggerids[0]
	t.Cleanup(func() {
		if t.Failed() {
			said, err := z.call("alert.get", map[string]any{"output": []string{"subject", "message", "status", "error", "retries"}})
			t.Logf("Zabbix has told: %s %v", said, err)
		}
	})
	// What we were told of the problems of a trigger, in the order in which they began.
	told := func(trigger string) string {
		var all []string
		by := p.toldBy(token, "zabbix")
		for _, event := range z.problems(trigger) {
			all = append(all, by["event "+event]...)
		}
		return strings.Join(all, " ")
	}
	// The server knows the item before its trigger: what came between is judged by nobody,
	// so the value is said until it is.
	becomes := func(what, want string, value int) {
		t.Helper()
		within(t, 120*time.Second, what, func() bool {
			z.sends("platte", value)
			pause(t, time.Second)
			return told(trigger) == want
		})
	}
	becomes("the problem", "firing", 95)
	var events []struct {
		Eventid string
		Tags    []struct{ Tag, Value string }
	}
	within(t, 120*time.Second, "the event leads back to us", func() bool {
		z.ask("event.get", map[string]any{"output": []string{"eventid"}, "value": 1, "selectTags": "extend"}, &events)
		return len(events) == 1 && len(events[0].Tags) == 1 && events[0].Tags[0].Value == p.staff
	})
	z.ask("event.acknowledge", map[string]any{"eventids": []string{events[0].Eventid}, "action": 6, "message": "sehe nach"}, nil)
	within(t, 120*time.Second, "the comment comes", func() bool {
		body := fmt.Sprint(p.must(token, http.MethodGet, "/api/v1/sources/zabbix", "", http.StatusOK)["bodies"])
		return strings.Contains(body, "sehe nach") && strings.Contains(body, "note:true")
	})
	if now := told(trigger); now != "firing" {
		t.Errorf("a comment changes how it stands: %s", now)
	}
	becomes("its end", "firing resolved", 40)
	becomes("the next problem", "firing resolved firing", 99)
	within(t, 120*time.Second, "two problems of one trigger", func() bool {
		if len(z.problems(many)) < 2 {
			z.sends("protokoll", 1)
		}
		pause(t, time.Second)
		return strings.HasPrefix(told(many), "firing firing")
	})
	problems := z.problems(many)
	z.ask("event.acknowledge", map[string]any{"eventids": problems[:1], "action": 1}, nil)
	within(t, 120*time.Second, "the end of one of the two", func() bool {
		return strings.Join(p.toldBy(token, "zabbix")["event "+problems[0]], " ") == "firing resolved"
	})
	if now := p.toldBy(token, "zabbix")["event "+problems[1]]; strings.Join(now, " ") != "firing" {
		t.Errorf("the end of one ends the other, too: %v", now)
	}
	if said := fmt.Sprint(p.must(token, http.MethodGet, "/api/v1/signals?limit=200", "", http.StatusOK)["items"]); !strings.Contains(said, `Platte "C:" ist voll & mehr`) || !strings.Contains(said, "95 %") {
		t.Errorf("what it is about is lost on the way: %s", said)
	}
	p.understood(token, "zabbix")
	p.endsWell()
}

// fillZabbix lays down Zabbix' tables and what is needed to sign in.
func fillZabbix(t *testing.T, database string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	for _, name := range []string{"schema", "data"} {
		packed, err := os.Open(filepath.Join(zabbixShare, name+".sql.gz"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := gzip.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		if name == "schema" {
			_, err = io.Copy(&all, text)
		} else {
			lines := bufio.NewReader(text)
			for err == nil {
				var line string
				if line, err = lines.ReadString('\n'); err == nil {
					into, _, _ := strings.Cut(strings.TrimPrefix(line, "INSERT INTO "), " ")
					if strings.HasPrefix(line, "INSERT INTO ") && slices.Contains(zabbixTables, into) {
						all.WriteString(line)
					}
				}
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
		}
		_ = packed.Close()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.PgConn().Exec(t.Context(), all.String()).ReadAll(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// zabbix is a Zabbix of its own.
type zabbix struct {
	t           *testing.T
	pages, trap string // addresses of its pages and of what takes values
	session     string
}

func (z *zabbix) start(dir, server string, database *url.URL) {
	z.t.Helper()
	password, _ := database.User.Password()
	at := func(address string) (string, string) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			z.t.Fatal(err)
		}
		return host, port
	}
	host, trapPort := at(z.trap)
	dbHost, dbPort := at(database.Host)
	schema, name := database.Query().Get("search_path"), strings.TrimPrefix(database.Path, "/")
	place := filepath.Join(dir, "zabbix")
	if err := os.MkdirAll(filepath.Join(place, "run"), 0o755); err != nil {
		z.t.Fatal(err)
	}
	// Debian's pages read their configuration in one place alone.
	pages := filepath.Join(place, "pages")
	if out, err := exec.Command("cp", "-rL", zabbixPages, pages).CombinedOutput(); err != nil {
		z.t.Logf("copying the pages: %v %.300s", err, out) // links to what is not installed
	}
	reads, config := filepath.Join(pages, "include/classes/core/CConfigFile.php"), filepath.Join(place, "zabbix.conf.php")
	text, err := os.ReadFile(reads)
	if err != nil {
		z.t.Fatal(err)
	}
	changed := bytes.ReplaceAll(text, []byte("'/etc/zabbix/zabbix.conf.php'"), []byte("'"+config+"'"))
	if bytes.Equal(text, changed) {
		z.t.Skip("the pages of this Zabbix read their configuration elsewhere")
	}
	for path, text := range map[string]string{
		reads: string(changed),
		config: fmt.Sprintf("<?php\n$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '%s', 'PORT' => '%s', 'DATABASE' => '%s', 'USER' => '%s', 'PASSWORD' => '%s', 'SCHEMA' => '%s',\n"+
			"'ENCRYPTION' => false, 'VAULT_URL' => '', 'VAULT_DB_PATH' => '', 'VAULT_TOKEN' => '', 'DOUBLE_IEEE754' => true];\n"+
			"$ZBX_SERVER = '%s'; $ZBX_SERVER_PORT = '%s'; $ZBX_SERVER_NAME = 't'; $IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;\n",
			dbHost, dbPort, name, database.User.Username(), password, schema, host, trapPort),
		filepath.Join(place, "server.conf"): fmt.Sprintf("ListenIP=%s\nListenPort=%s\nLogType=console\nDBHost=%s\nDBPort=%s\nDBName=%s\nDBSchema=%s\nDBUser=%s\nDBPassword=%s\n"+
			"AllowRoot=1\nPidFile=%s/run/pid\nSocketDir=%s/run\nCacheUpdateFrequency=1\nStartPollers=1\nStartTrappers=2\nStartPingers=0\nStartDiscoverers=0\nStartHTTPPollers=0\n"+
			"FpingLocation=/bin/true\nFping6Location=/bin/true\n",
			host, trapPort, dbHost, dbPort, name, schema, database.User.Username(), password, place, place),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			z.t.Fatal(err)
		}
	}
	foreign(z.t, "php", "-d", "display_errors=0", "-S", z.pages, "-t", pages)
	foreign(z.t, server, "-f", "-c", filepath.Join(place, "server.conf"))
	within(z.t, 60*time.Second, "the pages answer", func() bool { c, err := net.Dial("tcp", z.pages); return err == nil && c.Close() == nil })
}

// call asks the API once.
func (z *zabbix) call(method string, params any) (json.RawMessage, error) {
	in := map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
	if z.session != "" {
		in["auth"] = z.session
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	res, err := http.Post("http://"+z.pages+"/api_jsonrpc.php", "application/json-rpc", bytes.NewReader(body)) //nolint:noctx // loopback
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var out struct {
		Result json.RawMessage
		Error  *struct{ Message, Data string }
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("%w: %.300s", err, raw)
	}
	if out.Error != nil {
		return nil, fmt.Errorf("%s %s", out.Error.Message, out.Error.Data)
	}
	return out.Result, nil
}

// ask asks the API and reads the answer into out, if there is one.
func (z *zabbix) ask(method string, params, out any) {
	z.t.Helper()
	raw, err := z.call(method, params)
	if err == nil && out != nil {
		err = json.Unmarshal(raw, out)
	}
	if err != nil {
		z.t.Fatalf("Zabbix, %s: %v", method, err)
	}
}

func (z *zabbix) signIn() {
	z.t.Helper()
	within(z.t, 60*time.Second, "the sign-in", func() bool {
		raw, err := z.call("user.login", map[string]string{"username": "Admin", "password": "zabbix"})
		return err == nil && json.Unmarshal(raw, &z.session) == nil && z.session != ""
	})
}

// problems are the numbers of a trigger's problems, in the order in which they began.
func (z *zabbix) problems(trigger string) []string {
	z.t.Helper()
	var events []struct{ Eventid string }
	z.ask("event.get", map[string]any{"output": []string{"eventid"}, "objectids": []string{trigger}, "value": 1, "sortfield": []string{"eventid"}}, &events)
	var out []string
	for _, e := range events {
		out = append(out, e.Eventid)
	}
	return out
}

// sends brings a value of an item by Zabbix' own sender, until the server knows it.
func (z *zabbix) sends(item string, value int) {
	z.t.Helper()
	host, port, err := net.SplitHostPort(z.trap)
	if err != nil {
		z.t.Fatal(err)
	}
	within(z.t, 120*time.Second, "the server takes a value", func() bool {
		out, err := exec.Command("zabbix_sender", "-z", host, "-p", port, "-s", "srv1", "-k", item, "-o", fmt.Sprint(value)).CombinedOutput()
		return err == nil && bytes.Contains(out, []byte("processed: 1;"))
	})
}
