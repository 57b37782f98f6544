//! `train --from` and `train --pairs`: a bundle that learns further from features and from graded pairs.

use std::path::Path;

use serde_json::Value;

use crate::data;
use crate::run::{command, error, json, keys};
use crate::world::{PATHWAYS, world};

/// A line of a pairs file.
fn pair(image: &str, text: &str, similar: &str) -> String {
    format!(
        r#"{{"a":{{"id":{image},"media":"image"}},"b":{{"id":{text},"media":"text"}},"similar":{similar}}}"#
    )
}

const LINE: &str =
    "--label label --test-mask test --group group --threads 2 --from % --pairs % --config % --out %";

fn further(pairs: &Path, out: &Path) -> Value {
    let world = world();
    let line = format!("train --features % {PATHWAYS} {LINE}");
    json(0, &line, &[&world.features, &world.bundle, pairs, &world.config, out])
}

#[test]
fn a_bundle_learns_further_from_graded_pairs() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let path = |name: &str| dir.path().join(name);
    // Rows 16 to 31 that are no test rows; rows 0 to 3 are test rows.
    assert!(data::is_test(0) && !data::is_test(20) && !data::is_test(24));
    let learned = [pair("20", "\"24\"", "0"), pair("21", "22", "0.75")];
    let left_out = [pair("0", "20", "1"), pair("20", "1", "0")];
    std::fs::write(path("pairs"), [&learned[..], &left_out].concat().join("\n")).unwrap();
    std::fs::write(path("learned"), learned.join("\n")).unwrap();
    let report = further(&path("pairs"), &path("one"));
    assert_eq!(keys(&report), ["data", "fingerprint", "pairs", "seconds", "stages", "warnings"]);
    assert_eq!(keys(&report["pairs"]), ["left_out", "used"]);
    assert_eq!((&report["pairs"]["used"], &report["pairs"]["left_out"]), (&2.into(), &2.into()));
    let stages = report["stages"].as_array().unwrap();
    assert_eq!((stages.len(), &stages[0]["name"]), (1, &"metric".into()));
    // Its pathways have kernel members, which stay: another model in the same space.
    assert_eq!(report["fingerprint"]["space"], world.trained["fingerprint"]["space"]);
    assert_ne!(report["fingerprint"]["model"], world.trained["fingerprint"]["model"]);
    // The same bytes again, and without the pairs of test rows.
    further(&path("pairs"), &path("two"));
    let report = further(&path("learned"), &path("three"));
    assert_eq!((&report["pairs"]["used"], &report["pairs"]["left_out"]), (&2.into(), &0.into()));
    for file in ["config.json", "model.safetensors"] {
        let bytes = |name: &str| std::fs::read(path(name).join(file)).unwrap();
        assert!(bytes("one") == bytes("two") && bytes("one") == bytes("three"), "{file}");
    }
    // From nothing, without labels; and as text.
    let short = path("short.toml");
    std::fs::write(&short, "dim = 8\nhidden = 8\nhalf = 4\nepochs_contrastive = 1\nepochs_double_triplet = 1\nepochs_metric = 1\ngraded_weight = 0.5\n").unwrap();
    let out = command()
        .args(["train", "--features"])
        .arg(&world.features)
        .args(PATHWAYS.split(' '))
        .args(["--test-mask", "test", "--config"])
        .arg(&short)
        .arg("--pairs")
        .arg(path("pairs"))
        .arg("--out")
        .arg(path("four"))
        .output()
        .unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("2 graded pairs learned from, 2 left out"), "{said}");
}

#[test]
fn bad_pairs_are_named_by_line() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let (file, out) = (dir.path().join("pairs.jsonl"), dir.path().join("out"));
    let line = format!("train --features % {PATHWAYS} --test-mask test --pairs % --out %");
    let good = pair("20", "24", "0.5");
    let cases = [
        ("{".to_owned(), "bad_json"),
        (pair("20", "24", "NaN"), "bad_json"),
        (pair("20", "24", "1.5"), "bad_value"),
        (pair("20", "24", "-1"), "bad_value"),
        (pair("20", "24", "\"yes\""), "bad_value"),
        (pair("20", "2.5", "1"), "bad_value"),
        (good.replace("similar", "grade"), "bad_value"),
        (pair("240", "24", "1"), "unknown_id"),
        (pair("20", "\"d00024\"", "1"), "unknown_id"),
        (pair("-1", "24", "1"), "unknown_id"),
        (good.replace("text", "sound"), "unknown_media"),
    ];
    for (bad, code) in cases {
        std::fs::write(&file, format!("{good}\n{bad}\n")).unwrap();
        let found = error(&line, &[&world.features, &file, &out]);
        assert_eq!((&found["code"], &found["line"]), (&code.into(), &2.into()), "{bad}: {found}");
        assert_eq!(found["file"], file.display().to_string(), "{found}");
    }
    std::fs::write(&file, "\n").unwrap();
    assert_eq!(error(&line, &[&world.features, &file, &out])["code"], "empty");
    let missing = dir.path().join("missing");
    assert_eq!(error(&line, &[&world.features, &missing, &out])["code"], "not_found");
    assert!(!out.exists());
}

#[test]
fn a_bundle_that_does_not_fit_is_no_start() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let out = dir.path().join("out");
    let cases = [
        ("--pathway image=image --pathway text=text", "space_mismatch"),
        (
            "--pathway image=text --pathway text=text --encoder image=eyes --encoder text=ears",
            "bad_dimension",
        ),
        ("--pathway image=image --pathway sound=text --encoder image=eyes", "unknown_media"),
        ("--pathway image=image --encoder image=eyes", "unknown_media"),
        (
            "--pathway image=image --pathway text=text --encoder image=eyes --encoder text=ears --label nope",
            "unknown_tensor",
        ),
        (
            "--pathway image=image --pathway text=text --encoder image=eyes --encoder text=ears --dim 24",
            "bad_argument",
        ),
    ];
    for (args, code) in cases {
        let line = format!("train --features % {args} --from % --out %");
        let found = error(&line, &[&world.features, &world.bundle, &out]);
        assert_eq!(found["code"], code, "{args}: {found}");
    }
    // Other classes: the groups of two rows, more than four.
    let line = format!("train --features % {PATHWAYS} --label group --config % --from % --out %");
    let found = error(&line, &[&world.features, &world.config, &world.bundle, &out]);
    assert_eq!(found["code"], "bad_value", "{found}");
    let line = format!("train --features % {PATHWAYS} --from % --out %");
    let missing = dir.path().join("missing");
    assert_eq!(error(&line, &[&world.features, &missing, &out])["code"], "not_found");
    // The default hidden layers of 256 units do not go into those of a bundle of deep members.
    let (deep, settings) = (dir.path().join("deep"), dir.path().join("deep.toml"));
    let short_of = "dim = 12\nhidden = 8\nkernel = false\nhub = false\nepochs_contrastive = 1\nepochs_double_triplet = 1\nepochs_metric = 1\n";
    std::fs::write(&settings, short_of).unwrap();
    let line = format!("train --features % {PATHWAYS} --label label --test-mask test --config % --out %");
    json(0, &line, &[&world.features, &settings, &deep]);
    let line = format!("train --features % {PATHWAYS} --label label --from % --out %");
    assert_eq!(error(&line, &[&world.features, &deep, &out])["code"], "bad_argument");
    // A bundle without classes, and rows with some.
    let alone = dir.path().join("alone");
    let short = dir.path().join("short.toml");
    std::fs::write(&short, "dim = 8\nhidden = 8\nhalf = 4\nepochs_contrastive = 1\nepochs_double_triplet = 1\nepochs_metric = 1\n").unwrap();
    let line = format!("train --features % {PATHWAYS} --test-mask test --config % --out %");
    json(0, &line, &[&world.features, &short, &alone]);
    let line = format!("train --features % {PATHWAYS} --label label --config % --from % --out %");
    let found = error(&line, &[&world.features, &short, &alone, &out]);
    assert_eq!(found["code"], "bad_argument", "{found}");
    assert!(found["hint"].as_str().unwrap().contains("--label"), "{found}");
    assert!(!out.exists());
}

/// What `inspect` says as text.
fn said(path: &Path) -> String {
    let out = command().arg("inspect").arg(path).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn landmarks_are_named_and_can_be_left_out() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let path = |name: &str| dir.path().join(name);
    // Kernel members alone: fitted at once.
    std::fs::write(
        path("quick.toml"),
        "dim = 24\nmembers = 0\nhalf = 0\nepochs_metric = 2\nleast_steps = 0\n",
    )
    .unwrap();
    let line = format!("train --features % {PATHWAYS} --label label --test-mask test --config % --out %");
    json(0, &line, &[&world.features, &path("quick.toml"), &path("kernel")]);
    let build = format!("build --features % {PATHWAYS} --bundle % --out %");
    json(0, &build, &[&world.features, &path("kernel"), &path("index")]);
    for made in ["kernel", "index"] {
        let found = json(0, "inspect %", &[&path(made)]);
        let train_rows = (0..240).filter(|row| !data::is_test(*row)).count();
        for media in ["image", "text"] {
            let members = &found["members"][media];
            assert_eq!(keys(members), ["hidden", "landmarks", "skip"]);
            assert_eq!((&members["hidden"], &members["skip"]), (&0.into(), &false.into()));
            assert!(members["landmarks"].as_u64().unwrap() <= train_rows as u64);
        }
        assert_eq!((&found["shares"]["posterior"], &found["shares"]["unit"]), (&1.0.into(), &1.0.into()));
        let text = said(&path(made));
        let landmarks = &found["members"]["image"]["landmarks"];
        assert!(
            text.contains(&format!("landmarks are features of {landmarks} train rows; whoever has")),
            "{text}"
        );
        assert!(text.contains("no hidden layer: it added nothing on validation"), "{text}");
        let samples = train_rows.min(256);
        assert_eq!(found["samples"], serde_json::json!({"image": samples, "text": samples}));
        let said = format!(
            "sample queries, shared vectors of train rows and of means of some: {samples} image, {samples} text\n"
        );
        assert!(text.contains(&said), "{text}");
    }
    // What learns further keeps them, and the space: the index takes it without a rebuild.
    let further =
        format!("train --features % {PATHWAYS} --label label --test-mask test --config % --from % --out %");
    let report =
        json(0, &further, &[&world.features, &path("quick.toml"), &path("kernel"), &path("further")]);
    json(0, "attach % --bundle %", &[&path("index"), &path("further")]);
    assert_eq!(json(0, "inspect %", &[&path("index")])["fingerprint"], report["fingerprint"]);
    let refused = error(
        &format!("train --features % {PATHWAYS} --label label --from % --no-landmarks --out %"),
        &[&world.features, &path("kernel"), &path("none")],
    );
    assert_eq!(
        (&refused["code"], &refused["file"]),
        (&"bad_argument".into(), &path("kernel").display().to_string().into())
    );
    assert!(refused["got"].as_str().unwrap().contains("landmarks"), "{refused}");
    assert!(!path("none").exists());
    std::fs::write(path("deep.toml"), "dim = 8\nhidden = 8\nhalf = 4\nfolds = 1\nepochs_contrastive = 1\nepochs_double_triplet = 1\nepochs_metric = 1\nleast_steps = 0\n").unwrap();
    let line = format!("train --features % {PATHWAYS} --test-mask test --config % --no-landmarks --out %");
    json(0, &line, &[&world.features, &path("deep.toml"), &path("deep")]);
    let found = json(0, "inspect %", &[&path("deep")]);
    assert_eq!(
        (&found["members"]["text"]["landmarks"], &found["shares"]["posterior"]),
        (&0.into(), &0.0.into())
    );
    assert!(found["hubs"].is_null() && found["members"]["text"]["hidden"].as_u64() >= Some(8), "{found}");
    assert!(!said(&path("deep")).contains("landmarks are"));
    assert!(found["samples"]["text"].as_u64() > Some(0), "{found}");
}
