//! The JSON of each object.

use jiff::Timestamp;
use stix::{
    AttackPattern, Bundle, Confidence, ExternalReference, Identity, IdentityClass, Indicator, IndicatorType,
    KillChainPhase, Object, ObjectType, Observable, PatternType, Relationship, SpecVersion, StixId, Tlp,
};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn us() -> Identity {
    Identity {
        spec_version: SpecVersion::V2_1,
        id: StixId::derived(ObjectType::Identity, "identity", "test"),
        created: time("2026-01-01T00:00:00Z"),
        modified: time("2026-01-01T00:00:00Z"),
        name: "Test".to_owned(),
        description: None,
        identity_class: IdentityClass::System,
    }
}

fn indicator() -> Indicator {
    let observable = Observable::url("HTTPS://Evil.Example/it's?a=\\b").unwrap();
    Indicator {
        spec_version: SpecVersion::V2_1,
        id: observable.id(),
        created_by_ref: Some(us().id),
        created: time("2026-01-02T03:04:05Z"),
        modified: time("2026-01-02T03:04:05.123999Z"),
        revoked: false,
        labels: vec!["sample_id: 1".to_owned()],
        confidence: Some(Confidence::MALICIOUS),
        external_references: vec![ExternalReference {
            source_name: "Source".to_owned(),
            description: Some("Sample ID 1".to_owned()),
            url: Some("https://vmray.example/sample/1#summary".to_owned()),
            external_id: None,
        }],
        object_marking_refs: vec![Tlp::Amber.marking()],
        name: Some(observable.value().into_owned()),
        description: None,
        indicator_types: vec![IndicatorType::MaliciousActivity],
        pattern: observable.pattern(),
        pattern_type: PatternType::Stix,
        pattern_version: SpecVersion::V2_1,
        valid_from: time("2026-01-02T03:04:05Z"),
        valid_until: time("2026-02-01T03:04:05Z"),
        kill_chain_phases: KillChainPhase::tactic("Initial Access").into_iter().collect(),
    }
}

fn technique() -> AttackPattern {
    AttackPattern {
        spec_version: SpecVersion::V2_1,
        id: AttackPattern::id_of("T1060"),
        created_by_ref: Some(us().id),
        created: time("2026-01-01T00:00:00Z"),
        modified: time("2026-01-01T00:00:00Z"),
        external_references: vec![ExternalReference {
            source_name: "mitre-attack".to_owned(),
            description: None,
            url: None,
            external_id: Some("T1060".to_owned()),
        }],
        object_marking_refs: Vec::new(),
        name: "Registry Run Keys / Startup Folder".to_owned(),
        description: None,
        kill_chain_phases: KillChainPhase::tactic("Persistence").into_iter().collect(),
    }
}

fn bundle() -> Bundle {
    let (indicator, technique) = (indicator(), technique());
    let relationship = Relationship {
        spec_version: SpecVersion::V2_1,
        id: Relationship::id_of(indicator.id, "indicates", technique.id),
        created_by_ref: Some(us().id),
        created: time("2026-01-02T03:04:05Z"),
        modified: time("2026-01-02T03:04:05Z"),
        object_marking_refs: vec![Tlp::Amber.marking()],
        relationship_type: "indicates".to_owned(),
        source_ref: indicator.id,
        target_ref: technique.id,
    };
    Bundle::new(vec![us().into(), indicator.into(), technique.into(), relationship.into()])
}

#[test]
fn prints_its_keys_in_a_fixed_order() {
    let text = serde_json::to_string_pretty(&bundle()).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn is_read_back_cut_to_milliseconds() {
    let text = serde_json::to_string(&bundle()).unwrap();
    let read: Bundle = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let Some(Object::Indicator(indicator)) = read.objects.get(1) else { panic!("{read:?}") };
    assert_eq!(indicator.modified, time("2026-01-02T03:04:05.123Z"));
    assert_eq!(indicator.pattern.observable().unwrap().id(), indicator.id);
}

#[test]
fn the_same_objects_are_the_same_bundle() {
    assert_eq!(bundle().id, bundle().id);
    assert_ne!(bundle().id, Bundle::new(Vec::new()).id);
}

#[test]
fn refuses_an_object_that_is_not_what_it_says() {
    let mut value = serde_json::to_value(indicator()).unwrap();
    value["type"] = "malware".into();
    assert!(serde_json::from_value::<Object>(value.clone()).is_err());
    value["type"] = "indicator".into();
    assert!(serde_json::from_value::<Object>(value.clone()).is_ok());
    value["id"] = us().id.to_string().into();
    assert!(serde_json::from_value::<Object>(value.clone()).is_err());
    value["id"] = indicator().id.to_string().into();
    value["confidence"] = 101.into();
    assert!(serde_json::from_value::<Object>(value.clone()).is_err());
    value["confidence"] = 75.into();
    value["pattern"] = "[url:value = 'a' AND url:value = 'b']".into();
    assert!(serde_json::from_value::<Object>(value).is_err());
}
