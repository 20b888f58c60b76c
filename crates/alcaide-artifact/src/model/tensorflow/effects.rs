//! What operators of TensorFlow do beyond computing.

/// What an operator does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// Computes, or keeps state within the process.
    None,
    /// Calls Python, or native code by name.
    Code,
    /// Reads or writes files.
    File,
    /// Talks to other machines.
    Network,
    /// Ends the process.
    Stops,
    /// Reads or writes files as every saved model does: what counts is where.
    Beside,
    /// As its attributes say.
    ByAttribute,
    /// Not in the pack.
    Unknown,
}

pub(super) fn effect(operator: &str) -> Effect {
    // Operators of a namespace are written `Name>Operator`.
    let plain = operator.rsplit('>').next().unwrap_or(operator);
    match plain {
        "PyFunc" | "PyFuncStateless" | "EagerPyFunc" | "XlaCustomCall" | "XlaCustomCallV2" => Effect::Code,
        "ReadFile"
        | "WriteFile"
        | "WholeFileReader"
        | "WholeFileReaderV2"
        | "MatchingFiles"
        | "MatchingFilesDataset"
        | "ExperimentalMatchingFilesDataset"
        | "TextLineReader"
        | "TextLineReaderV2"
        | "TextLineDataset"
        | "TFRecordReader"
        | "TFRecordReaderV2"
        | "TFRecordDataset"
        | "TFRecordDatasetV2"
        | "FixedLengthRecordReader"
        | "FixedLengthRecordReaderV2"
        | "FixedLengthRecordDataset"
        | "FixedLengthRecordDatasetV2"
        | "CSVDataset"
        | "CSVDatasetV2"
        | "ExperimentalCSVDataset"
        | "LMDBReader"
        | "LMDBDataset"
        | "ExperimentalLMDBDataset"
        | "SqlDataset"
        | "ExperimentalSqlDataset"
        | "RecordInput"
        | "ImmutableConst"
        | "LoadDataset"
        | "SnapshotDataset"
        | "SnapshotDatasetV2"
        | "SnapshotDatasetReader"
        | "SnapshotNestedDatasetReader"
        | "SnapshotChunkDataset"
        | "ListSnapshotChunksDataset"
        | "GenerateVocabRemapping"
        | "Skipgram"
        | "DatasetToTFRecord"
        | "ExperimentalDatasetToTFRecord"
        | "SaveDataset"
        | "SaveDatasetV2"
        | "DistributedSave"
        | "CreateSummaryFileWriter"
        | "CreateSummaryDbWriter"
        | "DumpTensor"
        | "CalibrationStatisticsSaver"
        | "FileSystemSetConfiguration"
        | "LoadAndRemapMatrix"
        | "IdentityReader"
        | "IdentityReaderV2"
        | "SummaryWriter"
        | "ImportEvent" => Effect::File,
        "RpcServer"
        | "RpcServerStart"
        | "RpcServerRegister"
        | "RpcClient"
        | "RpcCall"
        | "RpcCheckStatus"
        | "RpcGetValue"
        | "DeleteRpcFutureResource"
        | "DataServiceDataset"
        | "DataServiceDatasetV2"
        | "DataServiceDatasetV3"
        | "DataServiceDatasetV4"
        | "RegisterDataset"
        | "RegisterDatasetV2"
        | "RemoteCall"
        | "WorkerHeartbeat" => Effect::Network,
        "Abort" => Effect::Stops,
        "Save"
        | "SaveSlices"
        | "SaveV2"
        | "Restore"
        | "RestoreSlice"
        | "RestoreV2"
        | "MergeV2Checkpoints"
        | "DTensorRestoreV2"
        | "InitializeTableFromTextFile"
        | "InitializeTableFromTextFileV2"
        | "CacheDataset"
        | "CacheDatasetV2" => Effect::Beside,
        "PrintV2"
        | "DebugIdentity"
        | "DebugIdentityV2"
        | "DebugIdentityV3"
        | "DebugNanCount"
        | "DebugNumericSummary"
        | "DebugNumericSummaryV2"
        | "CopyHost"
        | "FixedUnigramCandidateSampler"
        | "DecodeProtoV2"
        | "EncodeProto" => Effect::ByAttribute,
        _ if operator.starts_with("IO>") => Effect::File,
        _ if super::TENSORFLOW_OPERATORS.has(operator) => Effect::None,
        _ => Effect::Unknown,
    }
}

/// Whether an operator hands a text on, so that a path in one of its inputs is one in what uses it.
pub(super) fn hands_on(operator: &str) -> bool {
    matches!(
        operator,
        "Identity"
            | "IdentityN"
            | "StringJoin"
            | "Pack"
            | "ShardedFilename"
            | "ShardedFilespec"
            | "PlaceholderWithDefault"
            | "Reshape"
            | "ExpandDims"
            | "Squeeze"
            | "Select"
            | "SelectV2"
            | "Snapshot"
            | "StopGradient"
            | "ConcatV2"
            | "Concat"
            | "Fill"
            | "StringStrip"
            | "RegexReplace"
            | "StaticRegexReplace"
            | "Where"
            | "GatherV2"
            | "Slice"
            | "StridedSlice"
            | "PreventGradient"
            | "EnsureShape"
            | "Add"
            | "AddV2"
    )
}
