//! Access keys, and those that a profile of the AWS tools has: `~/.aws/credentials` and `~/.aws/config`. Not what such a
//! profile may say instead, such as a role to assume or a single sign-on: that is named, with a way out.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::DepotError;

/// A key and its secret.
#[derive(Clone)]
pub struct Credentials {
    /// The access key's id.
    pub key: String,
    /// Its secret.
    pub secret: String,
    /// The token of a session, where it is one's.
    pub token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials(..)")
    }
}

/// The profile that is meant where none is named.
const DEFAULT: &str = "default";

/// Settings of other kinds of access, which come before a profile that nobody has named.
const ELSEWHERE: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// What the two files say of a profile.
type Profile = BTreeMap<String, String>;

/// The keys of the profile that the environment means. `None`: it means none, or the default one, which has no keys.
///
/// # Errors
/// It names a profile that is not there, has no keys, or cannot be read.
pub(crate) fn of_profile(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Credentials>, DepotError> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    let named = given("AWS_PROFILE");
    if given("AWS_ACCESS_KEY_ID").is_some() || named.is_none() && ELSEWHERE.iter().any(|name| given(name).is_some()) {
        return Ok(None);
    }
    let in_home = |file: &str| given("HOME").map(|home| Path::new(&home).join(".aws").join(file));
    let path = |name: &str, file: &str| given(name).map(PathBuf::from).or_else(|| in_home(file));
    let name = named.as_deref().unwrap_or(DEFAULT);
    let mut profile = Profile::new();
    let files = [
        (path("AWS_CONFIG_FILE", "config"), format!("profile {name}")),
        (path("AWS_CONFIG_FILE", "config"), DEFAULT.to_owned()),
        (path("AWS_SHARED_CREDENTIALS_FILE", "credentials"), name.to_owned()),
    ];
    // The section `default` of the first file is that of no other profile; the second file counts for more.
    let files = files.into_iter().filter(|(_, section)| section != DEFAULT || name == DEFAULT);
    for (path, section) in files {
        let Some(path) = path else { continue };
        match fs::read_to_string(&path) {
            Ok(text) => profile.extend(section_of(&text, &section)),
            Err(error) if error.kind() == ErrorKind::NotFound || named.is_none() => {}
            Err(cause) => return Err(DepotError::local(&path, cause)),
        }
    }
    match (found(&profile), named) {
        (Some(credentials), _) => Ok(Some(credentials)),
        (None, None) => Ok(None),
        (None, Some(name)) => Err(DepotError::Config(no_keys(&name, &profile))),
    }
}

fn found(profile: &Profile) -> Option<Credentials> {
    let value = |name: &str| profile.get(name).filter(|value| !value.is_empty()).cloned();
    let (key, secret) = (value("aws_access_key_id")?, value("aws_secret_access_key")?);
    Some(Credentials { key, secret, token: value("aws_session_token") })
}

fn no_keys(name: &str, profile: &Profile) -> String {
    let instead = if profile.is_empty() {
        "no such profile in ~/.aws/credentials and ~/.aws/config".to_owned()
    } else {
        let has: Vec<_> = profile.keys().map(String::as_str).collect();
        format!("it has no aws_access_key_id with aws_secret_access_key; it has {}", has.join(", "))
    };
    format!(
        "AWS_PROFILE is {name}: {instead}. to fix this: name a profile that has keys, or have the AWS tools make some: \
         `aws configure export-credentials --profile {name} --format env`"
    )
}

/// The settings below `[section]`, names in lower case. What is indented belongs to the setting above it.
fn section_of(text: &str, section: &str) -> Profile {
    let (mut is_in, mut profile) = (false, Profile::new());
    for line in text.lines() {
        let is_setting = !line.starts_with([' ', '\t', '#', ';']);
        if let Some(name) = line.trim_end().strip_prefix('[').and_then(|line| line.split(']').next()) {
            is_in = name.split_whitespace().eq(section.split_whitespace());
        } else if let Some((name, value)) = line.split_once('=').filter(|_| is_in && is_setting) {
            profile.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "# keys\n[default]\naws_access_key_id = A\naws_secret_access_key=s = =\n\n[ other ]\r\n\
        AWS_ACCESS_KEY_ID = B\r\naws_secret_access_key = t\r\naws_session_token = u\r\n[sso]\n";
    const CONFIG: &str = "[default]\nregion = x\n[profile sso]\nsso_session = y\ns3 =\n  aws_access_key_id = no\n\
        [profile inline]\naws_access_key_id = C\naws_secret_access_key = v\n[sso]\naws_access_key_id = no\n";

    fn ask(variables: &[(&str, &str)]) -> Result<Option<(String, String, Option<String>)>, String> {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".aws")).unwrap();
        fs::write(home.path().join(".aws/credentials"), CREDENTIALS).unwrap();
        fs::write(home.path().join(".aws/config"), CONFIG).unwrap();
        let home = home.path().to_str().unwrap();
        let all: BTreeMap<&str, &str> = [("HOME", home)].into_iter().chain(variables.iter().copied()).collect();
        let found = of_profile(&|name| all.get(name).map(|value| (*value).to_owned()));
        found.map(|keys| keys.map(|keys| (keys.key, keys.secret, keys.token))).map_err(|error| error.to_string())
    }

    fn some(key: &str, secret: &str, token: Option<&str>) -> Option<(String, String, Option<String>)> {
        Some((key.to_owned(), secret.to_owned(), token.map(str::to_owned)))
    }

    #[test]
    fn the_profile_that_is_meant_gives_its_keys() {
        assert_eq!(ask(&[]).unwrap(), some("A", "s = =", None));
        assert_eq!(ask(&[("AWS_PROFILE", "other")]).unwrap(), some("B", "t", Some("u")));
        assert_eq!(ask(&[("AWS_PROFILE", "inline")]).unwrap(), some("C", "v", None));
        assert_eq!(ask(&[("AWS_PROFILE", "")]).unwrap(), some("A", "s = =", None));
    }

    #[test]
    fn keys_of_the_environment_come_first_and_other_access_before_a_profile_that_nobody_named() {
        assert_eq!(ask(&[("AWS_ACCESS_KEY_ID", "E"), ("AWS_PROFILE", "other")]).unwrap(), None);
        assert_eq!(ask(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")]).unwrap(), None);
        let both = ask(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_PROFILE", "other")]).unwrap();
        assert_eq!(both, some("B", "t", Some("u")));
        assert_eq!(ask(&[("HOME", "/nowhere")]).unwrap(), None);
    }

    #[test]
    fn a_named_profile_without_keys_is_refused_with_a_way_out() {
        let error = ask(&[("AWS_PROFILE", "sso")]).unwrap_err();
        assert!(
            error.contains("it has s3, sso_session") && error.contains("export-credentials --profile sso"),
            "{error}"
        );
        let error = ask(&[("AWS_PROFILE", "absent")]).unwrap_err();
        assert!(error.contains("no such profile"), "{error}");
    }
}
