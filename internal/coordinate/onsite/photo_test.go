package onsite_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"testing"

	"tuermer/internal/coordinate/onsite"
	"tuermer/internal/platform/fault"
)

// picture is a JPEG whose left half is dark and whose right half is bright.
func picture(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{20, 20, 20, 255}
			if x >= w/2 {
				c = color.RGBA{230, 230, 230, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exif puts an APP1 segment behind the start of a JPEG, as a camera does: how it
// was held, and where (degrees, minutes and hundredths of seconds).
func exif(data []byte, turn uint16, lat, lon float64) []byte {
	le := binary.LittleEndian
	entry := func(tag, kind uint16, count, value uint32) []byte {
		b := le.AppendUint16(nil, tag)
		b = le.AppendUint16(b, kind)
		b = le.AppendUint32(b, count)
		return le.AppendUint32(b, value)
	}
	letter := func(n float64, plus, minus byte) uint32 {
		if n < 0 {
			return uint32(minus)
		}
		return uint32(plus)
	}
	const gps, lats, lons = 38, 38 + 2 + 4*12 + 4, 38 + 2 + 4*12 + 4 + 24
	tiff := append([]byte("II*\x00"), 8, 0, 0, 0)
	tiff = le.AppendUint16(tiff, 2)
	tiff = append(tiff, entry(0x0112, 3, 1, uint32(turn))...)
	tiff = append(tiff, entry(0x8825, 4, 1, gps)...)
	tiff = le.AppendUint32(tiff, 0)
	tiff = le.AppendUint16(tiff, 4)
	tiff = append(tiff, entry(1, 2, 2, letter(lat, 'N', 'S'))...)
	tiff = append(tiff, entry(2, 5, 3, lats)...)
	tiff = append(tiff, entry(3, 2, 2, letter(lon, 'E', 'W'))...)
	tiff = append(tiff, entry(4, 5, 3, lons)...)
	tiff = le.AppendUint32(tiff, 0)
	for _, n := range []float64{math.Abs(lat), math.Abs(lon)} {
		d, m := math.Floor(n), math.Floor(math.Mod(n, 1)*60)
		s := math.Round((n - d - m/60) * 3600 * 10000)
		for _, r := range [][2]uint32{{uint32(d), 1}, {uint32(m), 1}, {uint32(s), 10000}} {
			tiff = le.AppendUint32(le.AppendUint32(tiff, r[0]), r[1])
		}
	}
	body := append([]byte("Exif\x00\x00"), tiff...)
	seg := binary.BigEndian.AppendUint16([]byte{0xFF, 0xE1}, uint16(len(body)+2))
	return append(append(append([]byte{}, data[:2]...), append(seg, body...)...), data[2:]...)
}

// The eight ways to hold a camera: where the dark half of the picture comes to lie.
func TestUpright(t *testing.T) {
	for turn, dark := range map[uint16]string{1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom", 9: "left"} {
		p, err := onsite.ReadPhoto(exif(picture(t, 64, 32), turn, 0.5, 0.5), "")
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(p.JPEG))
		if err != nil {
			t.Fatal(err)
		}
		w, h := img.Bounds().Dx(), img.Bounds().Dy()
		at := map[string]image.Point{"left": {w / 8, h / 2}, "right": {w - w/8, h / 2}, "top": {w / 2, h / 8}, "bottom": {w / 2, h - h/8}}
		for side, point := range at {
			r, _, _, _ := img.At(point.X, point.Y).RGBA()
			if (side == dark) != (r < 0x4000) && (side == dark || opposite(side) == dark) {
				t.Errorf("turn %d: %s is %x", turn, side, r)
			}
		}
	}
}

func opposite(side string) string {
	return map[string]string{"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[side]
}

func TestPhotoIsMadeSmall(t *testing.T) {
	p, err := onsite.ReadPhoto(picture(t, 4000, 3000), "")
	if err != nil || p.Width != 1920 || p.Height != 1440 || p.Position != nil {
		t.Errorf("%d × %d, %+v, %v", p.Width, p.Height, p.Position, err)
	}
	var clear bytes.Buffer
	if err := png.Encode(&clear, image.NewNRGBA(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	if p, err = onsite.ReadPhoto(clear.Bytes(), ""); err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(p.JPEG))
	if err != nil {
		t.Fatal(err)
	}
	if r, _, _, _ := img.At(4, 4).RGBA(); r < 0xF000 {
		t.Errorf("what is clear is %x, not white", r)
	}
}

func TestReadPosition(t *testing.T) {
	for text, want := range map[string]string{
		"52.01234, 9.12345":                  "52.01234, 9.12345",
		" 52.01234,9.12345 (±15 m)":          "52.01234, 9.12345 (±15 m)",
		"52,01234 9,12345":                   "52.01234, 9.12345",
		"52,01234° N, 9,12345° O":            "52.01234, 9.12345",
		"33.8568° S 151.2153° E":             "-33.85680, 151.21530",
		`52°01'24.4"N 9°07'30"E`:             "52.02344, 9.12500",
		"geo:52.01234,9.12345;u=12":          "52.01234, 9.12345 (±12 m)",
		"geo:52.01234,9.12345?q=52.01,9.1":   "52.01234, 9.12345",
		"geo:52.01,9.12,100;crs=wgs84;u=7.5": "52.01000, 9.12000 (±7 m)",
	} {
		p, ok := onsite.ReadPosition(text)
		if !ok || p.String() != want {
			t.Errorf("%q: %s, %t", text, p, ok)
		}
	}
	for _, text := range []string{"", "Raum 0.12", "Hauptstraße 12, 34", "12, 34", "91.000, 9.000", "52.01234", "geo:", "B 217, km 12.300"} {
		if p, ok := onsite.ReadPosition(text); ok {
			t.Errorf("%q is read as %s", text, p)
		}
	}
}

func FuzzReadPosition(f *testing.F) {
	for _, s := range []string{"52.01234, 9.12345 (±15 m)", `52°01'24.4"N 9°07'30"E`, "geo:52.01,9.12;u=7", "52,01234° N, 9,12345° O", "Raum 0.12"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := onsite.ReadPosition(s)
		if !ok {
			return
		}
		if !p.Valid() {
			t.Fatalf("%q is nowhere: %+v", s, p)
		}
		if back, ok := onsite.ReadPosition(p.String()); !ok || math.Abs(back.Lat-p.Lat) > 1e-5 || math.Abs(back.Lon-p.Lon) > 1e-5 {
			t.Fatalf("%q is %s, read back %+v", s, p, back)
		}
	})
}

func FuzzReadPhoto(f *testing.F) {
	small := picture(f, 16, 8)
	f.Add(small)
	f.Add(exif(small, 6, 52.1, -9.2))
	listed := exif(small, 6, 52.1, -9.2)
	listed[2+4+6+44] = 5 // the letter of the latitude has a type of its own, and the library panicked
	f.Add(listed)
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 3, 5))); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if cfg, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil && cfg.Width*cfg.Height > 1<<20 {
			t.Skip("takes long, and is bounded elsewhere")
		}
		p, err := onsite.ReadPhoto(data, "KOPIE")
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		cfg, err := jpeg.DecodeConfig(bytes.NewReader(p.JPEG))
		if err != nil || cfg.Width != p.Width || cfg.Height != p.Height || max(cfg.Width, cfg.Height) > 1920 {
			t.Fatal(fmt.Sprint(cfg.Width, cfg.Height, p.Width, p.Height), err)
		}
		if p.Position != nil && !p.Position.Valid() {
			t.Fatal(p.Position)
		}
	})
}
